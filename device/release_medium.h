// A signed release on a medium (a USB stick): the folder that tillpack made, with `tuf/` in it or beside it, or one tar
// of the same; and the artifact `release.tuf` (a tar of the metadata alone) of a stock hawkBit.
//   A medium stands in the server's and the downloader's place: MediumServer offers what lies there as an action that
//   no server hears of, MediumFetcher reads its payloads. Nothing on it is believed: metadata is verified, payloads are
//   checked chunk by chunk, as from the network.
//   Bounds: 64 payloads. Errors: kNotFound, kCorrupt, kIo. One thread.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/file.h"
#include "device/payload_fetcher.h"
#include "device/tar_index.h"
#include "device/update_server.h"

namespace till::device {

class ReleaseMedium {
 public:
  static Result<std::unique_ptr<ReleaseMedium>> Open(const std::string& path);

  // "timestamp.json", "3.root.json": kNotFound when it is not there.
  Result<std::string> ReadMetadata(const std::string& name, uint64_t max_bytes);
  struct Payload {
    std::string name;  // "rootfs.full.till"
    std::string component;
    uint64_t length = 0;
    crypto::Sha256Digest sha256{};
  };
  // Hashed, one read of each.
  Result<std::vector<Payload>> Payloads();
  Result<std::unique_ptr<Source>> OpenPayload(const std::string& name);

 private:
  struct Place {
    std::string path;   // of the file
    bool whole = true;  // else the part of it at `offset`
    uint64_t offset = 0;
    uint64_t length = 0;
  };
  ReleaseMedium() = default;
  Status TakeFolder(const std::string& folder);
  void TakeFiles(const std::string& folder);
  Status TakeArchive(const std::string& path);
  void Take(const std::string& name, Place place);
  static Result<std::unique_ptr<Source>> OpenPlace(const Place& place);

  std::map<std::string, Place> metadata_;  // by plain name
  std::map<std::string, Place> payloads_;
};

class MediumServer final : public UpdateServer {
 public:
  // Hashes the payloads.
  static Result<std::unique_ptr<MediumServer>> Make(ReleaseMedium& medium);

  Result<std::optional<BaseAnswer>> Poll(bool fresh) override;
  Result<Deployment> GetDeployment(const std::string& url) override;
  Result<std::string> GetCancel(const std::string& url) override;
  Status PutConfigData(const std::string& url,
                       const std::vector<std::pair<std::string, std::string>>& attributes) override;
  Status PostFeedback(const Feedback& feedback, int64_t unix_ms) override;
  Result<std::string> GetMetadata(const std::string& name, uint64_t max_bytes) override;
  std::vector<http::HeaderField> HeadersFor(const std::string& url) const override;
  bool takes_reports() const override { return false; }

 private:
  explicit MediumServer(ReleaseMedium& medium) : medium_(medium) {}
  ReleaseMedium& medium_;
  Deployment deployment_;
};

class MediumFetcher final : public PayloadFetcher {
 public:
  explicit MediumFetcher(ReleaseMedium& medium) : medium_(medium) {}
  Result<int> Fetch(const PayloadSource& source, const FetchRange& range,
                    const std::function<Status(ByteView)>& on_bytes) override;

 private:
  ReleaseMedium& medium_;
};

}  // namespace till::device
