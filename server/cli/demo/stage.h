// Sets the demo up with the product's own programs, as a person would by hand: keys, three releases, a hub, two edges,
// the terminals. Everything lives in one folder and ends with the Stage: terminals first, then edges, then the hub.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/crypto/hash.h"
#include "server/cli/demo/process.h"
#include "server/cli/demo/terminal.h"
#include "server/cli/hub_client.h"

namespace till::cli::demo {

struct DemoOptions {
  std::string firmware_folder;  // made by tools/make_firmware.sh
  std::string from;             // the visitor's own images instead
  std::string to;
  std::string folder;        // "" = a new one under $TMPDIR
  std::string mipsel_build;  // build tree of the mipsel preset, "" = no cross check
  unsigned terminals = 20;
  bool keep = false;
};

// Lines for the person: what is being done, with the seconds since the start in front.
using Narrate = std::function<void(const std::string& line)>;

struct DemoImage {
  std::string version;
  std::string path;
  uint64_t length = 0;
  crypto::Sha256Digest sha256{};
};

class Stage {
 public:
  // After an Error, `trouble` says what was being done and where its log is.
  static Result<std::unique_ptr<Stage>> Build(const DemoOptions& options, const Narrate& narrate, std::string& trouble);

  const std::string& folder() const { return folder_; }
  const DemoImage& old_image() const { return images_[0]; }
  const DemoImage& new_image() const { return images_[1]; }
  const DemoImage& bad_image() const { return images_[2]; }
  uint64_t delta_bytes() const { return delta_bytes_; }  // of the new release, once terminals are made
  HubClient& hub() { return *hub_client_; }
  const std::string& hub_url() const { return hub_url_; }
  std::vector<std::unique_ptr<Terminal>>& terminals() { return terminals_; }
  std::string ReleaseFolder(const DemoImage& image) const { return folder_ + "/out/" + image.version; }
  std::string AccessLog(const std::string& server) const { return folder_ + "/" + server + ".access"; }
  const std::vector<std::string>& edge_urls() const { return edge_urls_; }
  const std::string& admin_token() const { return admin_token_; }
  const std::string& bin_folder() const { return bin_folder_; }
  // Ends the second edge as an operator would (SIGTERM).
  void StopSecondEdge() { edges_[1].reset(); }

 private:
  Stage() = default;
  Status ChooseImages(const DemoOptions& options);
  Status MakeReleases();
  Status StartServers();
  Status Publish();
  Status Configure();
  Status MakeTerminals(unsigned count);
  // The hub writes it at its first start.
  std::string AdminTokenFile() const { return folder_ + "/hub/admin.token"; }
  Status Tool(std::vector<std::string> argv, const std::string& log);

  std::string folder_;
  std::string bin_folder_;
  std::string trouble_;
  std::vector<DemoImage> images_;
  uint64_t delta_bytes_ = 0;
  std::string admin_token_;
  std::string hub_url_;
  std::vector<std::string> edge_urls_;
  std::optional<Process> hub_;
  std::optional<Process> edges_[2];
  std::unique_ptr<HubClient> hub_client_;
  std::vector<std::unique_ptr<Terminal>> terminals_;  // last: they end first
};

}  // namespace till::cli::demo
