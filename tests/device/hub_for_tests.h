// A small update server for the agent's tests: DDI for one terminal, signed metadata, payloads at the hub and at
// mirrors, each of which can be cut, damaged or gone. Real sockets, real TUF repository, real payloads.
#pragma once

#include <atomic>
#include <ctime>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "core/http/server.h"
#include "core/json/json.h"
#include "core/tuf/repository.h"

namespace till::device {

// What a path serves.
struct Served {
  std::string bytes;
  uint64_t cut_after = UINT64_MAX;  // bytes of an answer, then the connection breaks
  int cuts_left = 1'000'000;        // answers that are cut
  int refusals_after_cut = 0;       // then so many answers are 503: the link rests
  int refusals_left = 0;
  int status = 200;

  // One answer breaks after so many bytes, the next is 503: a terminal's run ends there, to be gone on with.
  void CutOnceAfter(uint64_t byte_count) {
    cut_after = byte_count;
    cuts_left = 1;
    refusals_after_cut = 1;
  }
};

struct Heard {
  bool about_cancel = false;
  std::string action, execution, finished, detail, all_details;
  int64_t code = 0, seq = 0, bytes = 0;
};

struct OfferForTests {
  std::string action = "1";
  std::string payload_path{};  // in the repository of payloads: "payloads/pos/2.0.0/rootfs/full"
  std::string mirrors{};       // till.mirrors
  bool with_hub_link = true;
  std::vector<std::string> more_payloads{};  // artifacts of the same module
  std::vector<std::string> other_modules{};  // a payload each
  std::string fallback{};                    // till.fallback
  std::string update = "forced";             // "skip": the server's window is shut
  std::string metadata_artifact{};           // a file served as release.tuf
};

class HubForTests : public http::Handler {
 public:
  // `signs_at`: what its metadata says of the time; 0: now.
  explicit HubForTests(std::string folder, int64_t signs_at = 0);
  ~HubForTests() override;

  // An image and its payloads, signed and ready to be offered. `custom` overrides members of the image's entry.
  void PublishImage(const std::string& version, const std::string& image, int rollback_index,
                    const json::Value& custom = {}, const std::string& component = "rootfs");
  // `base` "" makes a full payload; `custom` overrides members of the payload's entry. Answers its path.
  std::string PublishPayload(const std::string& version, const std::string& base, const std::string& image,
                             const json::Value& custom = {}, bool signed_entry = true,
                             const std::string& component = "rootfs");
  // The image as a chunk object, chunks of 1 KiB on average. Answers its path.
  std::string PublishChunks(const std::string& version, const std::string& image, const json::Value& custom = {});
  void Sign();  // what was published since
  void SetSigningTime(int64_t unix_s) { signs_at_ = unix_s; }

  void Offer(OfferForTests offer);
  void Cancel(const std::string& action);
  void SetUpdate(const std::string& update);  // of the offer
  // As a stock hawkBit: no signed metadata at /{tenant}/tuf/.
  void ServeNoMetadata() { serves_metadata_ = false; }

  // What its links say; SetPublicUrl: another way to it (a proxy).
  std::string url() const { return public_url_.empty() ? "http://127.0.0.1:" + std::to_string(port()) : public_url_; }
  void SetPublicUrl(std::string url) { public_url_ = std::move(url); }
  uint16_t port() const { return server_->port(); }
  std::string trusted_root_file() const { return folder_ + "/tuf/1.root.json"; }
  const std::string& payload(const std::string& path) const { return payloads_.at(path); }
  std::string PayloadHash(const std::string& path) const;
  // The artifact at the hub, and a place at a mirror: "/m1" serves "/m1/a/<hash>".
  Served& AtHub(const std::string& path);
  Served& AtMirror(const std::string& mirror, const std::string& path);
  Served& At(const std::string& url_path);
  void Forget(const std::string& url_path);
  uint64_t requests() const;

  std::vector<Heard> heard() const;                      // every report
  std::vector<Heard> heard_once() const;                 // without repeats of (action, seq)
  std::string Outcome(const std::string& action) const;  // "success", "failure: ...", ""
  uint64_t payload_bytes_sent() const;
  std::vector<uint64_t> payload_starts() const;  // the first byte of each payload answer
  std::map<std::string, std::string> attributes() const;
  std::vector<std::string> mirror_tokens() const;  // Authorization headers that mirrors saw
  // Cancels `action` as soon as a report with this code was heard.
  void CancelWhenHeard(int64_t code) { cancel_when_heard_ = code; }

  void OnRequest(std::shared_ptr<http::Exchange> exchange) override;

 private:
  http::Response Answer(const http::Request& request);
  http::Response Base();
  http::Response Deployment();
  json::Value Module(const std::vector<std::string>& paths) const;
  json::Value Artifact(const std::string& name, const std::string& path, const std::string& bytes) const;
  http::Response Feedback(const http::Request& request, bool about_cancel);
  http::Response Blob(const http::Request& request, Served& served);
  http::Response Metadata(const std::string& name);

  int64_t SigningTime() const { return signs_at_ != 0 ? signs_at_ : time(nullptr); }

  std::string folder_;
  int64_t signs_at_ = 0;
  std::string public_url_;
  tuf::RoleSet roles_;
  mutable std::mutex mutex_;
  std::map<std::string, std::string> payloads_;
  std::map<std::string, Served> served_;
  std::vector<tuf::TargetEntry> unsigned_entries_;
  std::vector<Heard> heard_;
  std::map<std::string, std::string> attributes_;
  std::vector<std::string> mirror_tokens_;
  OfferForTests offer_;
  bool active_ = false;
  std::atomic<bool> serves_metadata_{true};
  std::string cancel_;
  int64_t cancel_when_heard_ = -1;
  uint64_t requests_ = 0;
  uint64_t payload_bytes_sent_ = 0;
  std::vector<uint64_t> payload_starts_;
  std::unique_ptr<http::Server> server_;  // dies first
};

}  // namespace till::device
