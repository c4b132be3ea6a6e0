#include "device/release_medium.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>

#include "core/json/json.h"
#include "core/log.h"
#include "device/agent_report.h"
#include "device/open_beneath.h"

namespace till::device {
namespace {

constexpr size_t kMaxPayloads = 64;
constexpr uint64_t kMaxRecordBytes = 1 << 20;  // of release.json
constexpr char kScheme[] = "medium:";

struct CloseFolder {
  void operator()(DIR* folder) const { closedir(folder); }
};

std::vector<std::string> FilesIn(UniqueFd folder) {
  std::vector<std::string> names;
  const std::unique_ptr<DIR, CloseFolder> open(fdopendir(folder.get()));
  if (!open) return names;
  (void)folder.Release();  // the stream's now
  while (const dirent* entry = readdir(open.get())) {
    if (entry->d_name[0] != '.') names.emplace_back(entry->d_name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::string BaseName(const std::string& name) { return name.substr(name.rfind('/') + 1); }

// Part of a file.
class PartOfFile final : public Source {
 public:
  PartOfFile(FileSource file, uint64_t offset, uint64_t length)
      : file_(std::move(file)), offset_(offset), length_(length) {}
  Result<size_t> ReadAt(uint64_t offset, MutableByteView out) override {
    if (offset >= length_) return size_t{0};
    return file_.ReadAt(offset_ + offset, out.first(std::min<uint64_t>(out.size(), length_ - offset)));
  }
  uint64_t size() const override { return length_; }

 private:
  FileSource file_;
  uint64_t offset_, length_;
};

}  // namespace

void ReleaseMedium::Take(const std::string& name, Place place) {
  const std::string base = BaseName(name);
  if (base == "release.json") {
    if (!record_) record_ = std::move(place);
    return;
  }
  if (base.ends_with(".json")) metadata_.emplace(base, place);
  if (base.ends_with(".till") && payloads_.size() < kMaxPayloads) payloads_.emplace(base, place);
}

Status ReleaseMedium::TakeArchive(const Place& archive) {
  FileSource file = TILL_TRY(OpenFileAt(archive));
  for (const TarMember& member : TILL_TRY(IndexTar(file))) {
    Take(member.name, {archive.folder, archive.path, false, member.offset, member.length});
  }
  return Ok();
}

// Whoever made the stick does not name files of the terminal's own, nor pipes that never answer.
void ReleaseMedium::TakeFiles(const UniqueFd& folder, const std::string& below) {
  auto open = below.empty() ? OpenFile(path_, O_RDONLY | O_DIRECTORY) : OpenBeneath(folder.get(), below, O_DIRECTORY);
  if (!open.ok()) {
    if (open.error().code != ErrorCode::kNotFound) {
      log::Warn("a folder of the medium is left out", {{"name", below}, {"cause", open.error()}});
    }
    return;
  }
  for (const std::string& name : FilesIn(std::move(*open))) {
    Place place{.folder = &folder, .path = below.empty() ? name : below + "/" + name};
    const auto file = OpenFileAt(place);
    if (file.ok()) Take(name, std::move(place));
  }
}

Status ReleaseMedium::TakeFolder() {
  folder_ = TILL_TRY(OpenFile(path_, O_RDONLY | O_DIRECTORY));
  parent_ = TILL_TRY(OpenFile(path_ + "/..", O_RDONLY | O_DIRECTORY));
  TakeFiles(folder_, "");
  TakeFiles(folder_, "tuf");
  TakeFiles(parent_, "tuf");
  const Place trust{.folder = &folder_, .path = "release.tuf"};
  return OpenFileAt(trust).ok() ? TakeArchive(trust) : Ok();
}

Result<std::unique_ptr<ReleaseMedium>> ReleaseMedium::Open(const std::string& path) {
  struct stat about;
  if (stat(path.c_str(), &about) != 0) return SystemError("cannot find the release");
  std::unique_ptr<ReleaseMedium> medium(new ReleaseMedium(path));
  TILL_TRY(S_ISDIR(about.st_mode) ? medium->TakeFolder() : medium->TakeArchive({.path = path}));
  return medium;
}

Result<FileSource> ReleaseMedium::OpenFileAt(const Place& place) const {
  const bool below = place.folder != nullptr;
  UniqueFd fd = TILL_TRY(below ? OpenBeneath(place.folder->get(), place.path, O_RDONLY)
                               : OpenFile(place.path, O_RDONLY | O_NONBLOCK | O_NOCTTY));
  struct stat about;
  if (fstat(fd.get(), &about) != 0) return SystemError("cannot look at it");
  if (!S_ISREG(about.st_mode)) return Error{ErrorCode::kRefused, "it is no regular file"};
  return FileSource(std::move(fd), static_cast<uint64_t>(about.st_size));
}

Result<std::unique_ptr<Source>> ReleaseMedium::OpenPlace(const Place& place) const {
  FileSource file = TILL_TRY(OpenFileAt(place));
  if (place.whole) return std::unique_ptr<Source>(std::make_unique<FileSource>(std::move(file)));
  return std::unique_ptr<Source>(std::make_unique<PartOfFile>(std::move(file), place.offset, place.length));
}

std::optional<crypto::Sha256Digest> ReleaseMedium::RecordedHash(const std::string& name) {
  const auto source = record_ ? OpenPlace(*record_) : Result<std::unique_ptr<Source>>(Error{ErrorCode::kNotFound, ""});
  if (!source.ok() || (*source)->size() > kMaxRecordBytes) return std::nullopt;
  Bytes bytes((*source)->size());
  if (!ReadFully(**source, 0, bytes).ok()) return std::nullopt;
  const auto record = json::Parse(AsText(bytes));
  if (!record.ok()) return std::nullopt;
  for (const json::Value& component : (*record)["components"].items()) {
    for (const json::Value& payload : component["payloads"].items()) {
      if (payload["file"].AsString() != name) continue;
      const auto digest = crypto::ParseSha256(payload["sha256"].AsString());
      if (digest.ok()) return *digest;
    }
  }
  return std::nullopt;
}

Result<std::string> ReleaseMedium::ReadMetadata(const std::string& name, uint64_t max_bytes) {
  const auto found = metadata_.find(name);
  if (found == metadata_.end()) return Error{ErrorCode::kNotFound, "the medium does not hold it"};
  const auto source = TILL_TRY(OpenPlace(found->second));
  if (source->size() > max_bytes) return Error{ErrorCode::kLimit, "metadata longer than allowed", max_bytes};
  Bytes bytes(source->size());
  TILL_TRY(ReadFully(*source, 0, bytes));
  return std::string(AsText(bytes));
}

Result<std::vector<ReleaseMedium::Payload>> ReleaseMedium::Payloads() {
  std::vector<Payload> payloads;
  for (const auto& [name, place] : payloads_) {
    const auto source = TILL_TRY(OpenPlace(place));
    const auto digest = TILL_TRY(crypto::Sha256OfSource(*source));
    payloads.push_back({name, name.substr(0, name.find('.')), source->size(), digest});
  }
  return payloads;
}

Result<std::unique_ptr<Source>> ReleaseMedium::OpenPayload(const std::string& name) {
  const auto found = payloads_.find(name);
  if (found == payloads_.end()) return Error{ErrorCode::kNotFound, "the medium does not hold it"};
  return OpenPlace(found->second);
}

// --- In the server's place ---

Result<std::unique_ptr<MediumServer>> MediumServer::Make(ReleaseMedium& medium) {
  std::unique_ptr<MediumServer> server(new MediumServer(medium));
  const auto payloads = TILL_TRY(medium.Payloads());
  if (payloads.empty()) return Error{ErrorCode::kNotFound, "there is no payload (*.till)"};
  if (!medium.has_metadata()) {
    return Error{ErrorCode::kNotFound, "there is no signed metadata: no tuf/timestamp.json in it or beside it"};
  }
  crypto::Sha256 all;
  for (const ReleaseMedium::Payload& payload : payloads) {
    all.Update(payload.sha256);
    const auto recorded = medium.RecordedHash(payload.name);
    if (recorded && *recorded != payload.sha256) {
      server->damaged_.push_back(payload.name);
      continue;
    }
    auto& chunks = server->deployment_.chunks;
    const auto known = std::find_if(chunks.begin(), chunks.end(),
                                    [&](const DdiChunk& chunk) { return chunk.name == payload.component; });
    DdiChunk& chunk = known == chunks.end() ? chunks.emplace_back() : *known;
    chunk.name = payload.component;
    chunk.fallback = "full";  // nothing here costs a byte of anybody's data
    chunk.artifacts.push_back({payload.name, payload.sha256, payload.length, kScheme + payload.name});
  }
  server->deployment_.action = kLocalAction + ToHex(all.Finish()).substr(0, 16);
  return server;
}

Result<std::optional<BaseAnswer>> MediumServer::Poll(bool) {
  BaseAnswer answer;
  answer.deployment_url = kScheme + deployment_.action;
  return std::optional<BaseAnswer>(answer);
}

Result<Deployment> MediumServer::GetDeployment(const std::string&) { return deployment_; }
Result<std::string> MediumServer::GetCancel(const std::string&) { return Error{ErrorCode::kNotFound, "none"}; }
Status MediumServer::PutConfigData(const std::string&, const std::vector<std::pair<std::string, std::string>>&) {
  return Ok();
}
Status MediumServer::PostFeedback(const Feedback&, int64_t) {
  return Error{ErrorCode::kUnavailable, "a medium hears nothing"};
}
Result<std::string> MediumServer::GetMetadata(const std::string& name, uint64_t max_bytes) {
  return medium_.ReadMetadata(name, max_bytes);
}
std::vector<http::HeaderField> MediumServer::HeadersFor(const std::string&) const { return {}; }

// --- In the downloader's place ---

Result<int> MediumFetcher::Fetch(const PayloadSource& source, const FetchRange& range,
                                 const std::function<Status(ByteView)>& on_bytes) {
  if (!source.url.starts_with(kScheme)) return 404;
  const auto payload = TILL_TRY(medium_.OpenPayload(source.url.substr(sizeof(kScheme) - 1)));
  if (payload->size() != range.whole_bytes) return Error{ErrorCode::kCorrupt, "the payload has another length"};
  std::array<std::byte, 16 << 10> piece;
  const uint64_t end = range.length == 0 ? payload->size() : std::min(payload->size(), range.from + range.length);
  for (uint64_t at = range.from; at < end;) {
    const auto want = MutableByteView(piece).first(std::min<uint64_t>(piece.size(), end - at));
    const size_t got = TILL_TRY(payload->ReadAt(at, want));
    if (got == 0) return Error{ErrorCode::kUnavailable, "the medium ended early"};
    TILL_TRY(on_bytes(ByteView(piece).first(got)));
    at += got;
  }
  return 206;
}

}  // namespace till::device
