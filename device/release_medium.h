// A signed release on a medium (a USB stick): the folder that tillpack made, with `tuf/` in it or beside it, or one tar
// of the same; and the artifact `release.tuf` (a tar of the metadata alone) of a stock hawkBit.
//   A medium stands in the server's and the downloader's place: MediumServer offers what lies there as an action that
//   no server hears of, MediumFetcher reads its payloads. Nothing on it is believed: metadata is verified, payloads are
//   checked chunk by chunk, as from the network.
//   Of a folder only what lies below it, or in `tuf` beside it, is opened, and no link in it is followed.
//   Bounds: 64 payloads. Errors: kNotFound, kCorrupt, kIo, kRefused. One thread.
#pragma once

#include <map>
#include <memory>
#include <optional>
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
  const std::string& path() const { return path_; }
  bool has_metadata() const { return metadata_.contains("timestamp.json"); }

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
  // What the packer's release.json says a payload's hash is; nothing where it says nothing. It is not signed: good for
  // telling a damaged file from a strange one, and for no more.
  std::optional<crypto::Sha256Digest> RecordedHash(const std::string& name);

 private:
  struct Place {
    const UniqueFd* folder = nullptr;  // that `path` lies below; null: the medium itself, as it was given
    std::string path;                  // of the file
    bool whole = true;                 // else the part of it at `offset`
    uint64_t offset = 0;
    uint64_t length = 0;
  };
  explicit ReleaseMedium(std::string path) : path_(std::move(path)) {}
  Status TakeFolder();
  void TakeFiles(const UniqueFd& folder, const std::string& below);
  Status TakeArchive(const Place& archive);
  void Take(const std::string& name, Place place);
  Result<FileSource> OpenFileAt(const Place& place) const;
  Result<std::unique_ptr<Source>> OpenPlace(const Place& place) const;

  std::string path_;
  UniqueFd folder_, parent_;
  std::optional<Place> record_;            // release.json
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
  std::string metadata_url() const override { return medium_.path() + ": "; }
  bool takes_reports() const override { return false; }
  // Payloads that are not what release.json says they are: not offered.
  const std::vector<std::string>& damaged() const { return damaged_; }
  bool offers_anything() const { return !deployment_.chunks.empty(); }

 private:
  explicit MediumServer(ReleaseMedium& medium) : medium_(medium) {}
  ReleaseMedium& medium_;
  Deployment deployment_;
  std::vector<std::string> damaged_;
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
