#include "packer/worker.h"

#include <filesystem>

#include "core/file.h"
#include "delta/apply/payload_file.h"
#include "packer/hub_metadata.h"
#include "packer/payload_maker.h"
#include "packer/publisher.h"

namespace till::packer {
namespace {

constexpr uint64_t kFullArenaBytes = 64 << 20;

const tuf::TargetEntry* FindFull(const std::vector<tuf::TargetEntry>& entries, const std::string& image) {
  for (const tuf::TargetEntry& entry : entries) {
    if (entry.role == "deltas" && entry.custom["kind"].AsString() == "full" &&
        entry.custom["target"].AsString() == image) {
      return &entry;
    }
  }
  return nullptr;
}

Status ApplyFull(const std::string& payload_path, const std::string& image_path, const std::string& sha256) {
  const std::string unfinished = image_path + ".unfinished";
  FileSource payload = TILL_TRY(FileSource::Open(payload_path));
  FileSink file = TILL_TRY(FileSink::Create(unfinished));
  TILL_TRY(delta::ApplyPayloadFile({&payload, nullptr, &file, kFullArenaBytes}));
  FileSource made = TILL_TRY(FileSource::Open(unfinished));
  if (ToHex(TILL_TRY(crypto::Sha256OfSource(made))) != sha256)
    return Error{ErrorCode::kRefused, "the full payload makes another image than the signed one"};
  std::error_code failed;
  std::filesystem::rename(unfinished, image_path, failed);
  return failed ? Status(SystemError("cannot keep the image", failed.value())) : Ok();
}

}  // namespace

Result<std::optional<WorkerOutcome>> Worker::DoOne() {
  TILL_TRY(MakeFolders(options_.work_folder + "/refused"));
  const Result<std::optional<WorkerJob>> job = TakeJob();
  if (!job.ok()) context_ = hub_.error_context();
  if (!job.ok()) return job.error();
  if (!*job) return std::optional<WorkerOutcome>();
  Result<WorkerOutcome> outcome = Make(**job);
  if (!outcome.ok()) return outcome.error();
  return std::optional<WorkerOutcome>(std::move(*outcome));
}

// Those that were found not to be worth it are passed over: their marks lie in the work folder.
Result<std::optional<WorkerJob>> Worker::TakeJob() {
  const json::Value answer = TILL_TRY(hub_.SendJson("GET", "/api/v1/deltas/missing"));
  for (const json::Value& item : answer["missing"].items()) {
    WorkerJob job{item["base"].AsString(),    item["target"].AsString(),    item["product"].AsString(),
                  item["version"].AsString(), item["component"].AsString(), 0};
    job.terminals = static_cast<uint64_t>(item["terminals"].AsInteger());
    const bool sound = crypto::ParseSha256(job.base).ok() && crypto::ParseSha256(job.target).ok();
    if (!sound || FileExists(RefusalPath(job))) continue;
    json::Value lease = json::Value::Object();
    lease.Set("base", job.base).Set("target", job.target).Set("seconds", options_.lease_s);
    const Result<json::Value> taken = hub_.SendJson("POST", "/api/v1/deltas/lease", lease);
    if (taken.ok()) return std::optional<WorkerJob>(std::move(job));
    const ErrorCode code = taken.error().code;
    if (code != ErrorCode::kConflict && code != ErrorCode::kNotFound) return taken.error();
  }
  return std::optional<WorkerJob>();
}

Result<WorkerOutcome> Worker::Make(const WorkerJob& job) {
  context_ = "metadata of " + options_.hub.url;
  TILL_TRY(TakeMetadata());
  WorkerOutcome outcome{job, 0, 0, ""};
  uint64_t ignored = 0;
  PayloadRequest request;
  context_ = "image " + job.base;
  request.base_path = TILL_TRY(FetchImage(job.base, &ignored));
  context_ = "image " + job.target;
  request.target_path = TILL_TRY(FetchImage(job.target, &outcome.full_bytes));
  request.profile = options_.profile;
  request.threads = options_.threads;
  context_ = job.component + " " + job.version + " from " + job.base;
  const Result<MadePayload> made = MakePayload(request);
  if (!made.ok() && made.error().code != ErrorCode::kLimit) return made.error();
  if (made.ok()) outcome.bytes = made->bytes.size();
  if (!made.ok()) {
    outcome.refused = "none fits the profile's memory";
  } else if (outcome.bytes * 1000 >= outcome.full_bytes * options_.keep_permille) {
    outcome.refused = "not below " + std::to_string(options_.keep_permille / 10) + " % of the full payload";
  }
  if (!outcome.refused.empty()) {
    TILL_TRY(WriteFileAtomically(RefusalPath(job), AsBytes(outcome.refused + "\n")));
    return outcome;
  }
  const std::string path = options_.work_folder + "/made.till";
  TILL_TRY(WriteFileAtomically(path, made->bytes));
  PayloadRecord payload;
  payload.kind = PayloadRecord::Kind::kDelta;
  payload.base = TILL_TRY(crypto::ParseSha256(job.base));
  payload.base_length = made->facts.header.base_size;
  payload.length = made->bytes.size();
  payload.sha256 = made->sha256;
  payload.chunk_list_length = made->facts.chunks.encoded_length();
  payload.chunk_list_sha256 = made->facts.chunks_sha256;
  payload.arena_bytes = made->facts.header.arena_bytes;
  payload.format_minor = made->facts.header.minor_version;
  payload.instructions = made->facts.header.instruction_estimate;
  TILL_TRY(Publish(job, path, payload));
  return outcome;
}

// The bytes first, then the metadata that names them. The metadata may have moved on since it was fetched: it is
// fetched again, and what this loses against another publisher in between is refused by the hub and made again.
Status Worker::Publish(const WorkerJob& job, const std::string& path, const PayloadRecord& payload) {
  ReleaseRecord release;
  release.product = job.product;
  release.version = job.version;
  ComponentRecord component;
  component.component = job.component;
  component.image_sha256 = TILL_TRY(crypto::ParseSha256(job.target));
  component.image_length = FileSource::Open(options_.work_folder + "/" + job.target + ".image")->size();
  component.payloads.push_back(payload);
  release.components.push_back(component);
  TILL_TRY(SendBlob(hub_, path, payload.sha256));
  TILL_TRY(TakeMetadata());
  tuf::Repository repository = TILL_TRY(tuf::Repository::Open(tuf_folder()));
  repository.Put(TargetEntries(release)[1]);
  context_ = "the keys of deltas, snapshot and timestamp";
  TILL_TRY(repository.Publish(*options_.keys, tuf::Lifetimes{}, options_.now_unix_s()));
  const Status sent = SendMetadata(hub_, tuf_folder(), [](const PublishStep&) {});
  if (!sent.ok()) context_ = hub_.error_context();
  return sent;
}

Status Worker::TakeMetadata() {
  return FetchMetadata(hub_, options_.tenant, TILL_TRY(ReadTextFile(options_.trusted_root)), tuf_folder());
}

Result<std::string> Worker::FetchImage(const std::string& sha256, uint64_t* full_bytes) {
  const tuf::Repository repository = TILL_TRY(tuf::Repository::Open(tuf_folder()));
  const std::vector<tuf::TargetEntry> entries = repository.entries();
  const tuf::TargetEntry* full = FindFull(entries, sha256);
  if (full == nullptr) return Error{ErrorCode::kNotFound, "the metadata names no full payload for this image"};
  *full_bytes = full->length;
  const std::string path = options_.work_folder + "/" + sha256 + ".image";
  if (FileExists(path)) {
    FileSource kept = TILL_TRY(FileSource::Open(path));
    if (ToHex(TILL_TRY(crypto::Sha256OfSource(kept))) == sha256) return path;
  }
  const std::string payload = options_.work_folder + "/fetched.till";
  TILL_TRY(hub_.Download("/api/v1/blobs/" + ToHex(full->sha256), payload));
  FileSource fetched = TILL_TRY(FileSource::Open(payload));
  if (TILL_TRY(crypto::Sha256OfSource(fetched)) != full->sha256)
    return Error{ErrorCode::kRefused, "the hub's bytes are not the signed ones"};
  TILL_TRY(ApplyFull(payload, path, sha256));
  return path;
}

std::string Worker::RefusalPath(const WorkerJob& job) const {
  return options_.work_folder + "/refused/" + job.base.substr(0, 16) + "-" + job.target.substr(0, 16);
}

}  // namespace till::packer
