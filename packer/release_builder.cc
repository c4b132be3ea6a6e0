#include "packer/release_builder.h"

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <mutex>
#include <optional>
#include <thread>

#include "core/file.h"
#include "core/tuf/repository.h"
#include "delta/apply/payload_file.h"
#include "delta/diff/diff.h"
#include "packer/key_ring.h"

namespace till::packer {
namespace {

constexpr uint64_t kMaxImageBytes = uint64_t{2} << 30;  // both images of a delta are held in memory

// Takes bytes and keeps nothing: the proof needs the applier's own hash of the target only.
class NullSink : public Sink {
 public:
  Status Write(ByteView) override { return Ok(); }
  Status Finish() override { return Ok(); }
};

// Rebuilds the target with the real applier, under the arena that the payload declares.
Status Prove(ByteView payload, ByteView base, uint64_t arena_bytes) {
  MemorySource payload_source(payload);
  MemorySource base_source(base);
  NullSink target;
  delta::ApplyFileOptions options;
  options.payload = &payload_source;
  options.base = base.empty() ? nullptr : &base_source;
  options.target = &target;
  options.max_arena_bytes = arena_bytes;
  return delta::ApplyPayloadFile(options);
}

}  // namespace

struct ReleaseBuilder::Job {
  size_t component_index;
  std::string target_path;
  std::string base_path;  // "" for the full payload
  std::string what;
  PayloadRecord payload;
};

ReleaseBuilder::ReleaseBuilder(const ReleaseConfig& config, std::function<void(const BuildProgress&)> on_progress)
    : config_(config), on_progress_(std::move(on_progress)) {}

Result<ReleaseRecord> ReleaseBuilder::Build(const ReleaseRequest& request) {
  error_context_ = request.version;
  if (!IsSafeName(request.version))
    return Error{ErrorCode::kInvalid, "a version is 1 to 64 letters, digits, '.', '-', '_' or '+'"};
  for (const auto& named : request.image_files) {
    const auto is_it = [&](const ImageConfig& image) { return image.component == named.first; };
    if (std::any_of(config_.images.begin(), config_.images.end(), is_it)) continue;
    error_context_ = "--image " + named.first;
    return Error{ErrorCode::kInvalid, "the configuration has no image of this name"};
  }
  const std::string folder = config_.out_folder + "/" + request.version;
  if (FileExists(folder)) return Error{ErrorCode::kConflict, "this version was released already"};
  std::vector<ReleaseRecord> earlier = TILL_TRY(ReadReleases(config_.out_folder));
  std::string missing;
  Result<std::vector<ReleaseRecord>> bases = ChooseBases(config_.bases, std::move(earlier), missing);
  if (!bases.ok()) {
    error_context_ = missing;
    return bases.error();
  }

  const std::string beside = folder + ".new";
  std::filesystem::remove_all(beside);
  TILL_TRY(MakeFolders(beside));
  ReleaseRecord release;
  release.product = config_.product;
  release.version = request.version;
  release.boards = config_.boards;
  release.rollback_index = config_.rollback_index;
  for (const ImageConfig& image : config_.images)
    release.components.push_back(TILL_TRY(KeepImage(image, request, beside)));
  std::vector<Job> jobs = PlanJobs(release, *bases);
  TILL_TRY(RunJobs(jobs, std::max(1U, request.jobs), beside));
  ChooseKept(release, jobs, beside);
  TILL_TRY(WriteReleaseRecord(beside, release));
  // Signed before it is put in its place: a crash between the two leaves a folder that the next run replaces.
  TILL_TRY(Sign(release, request.now_unix_s));
  error_context_ = folder;
  std::error_code failed;
  std::filesystem::rename(beside, folder, failed);
  if (failed) return SystemError("cannot put the release in its place", failed.value());
  return release;
}

Result<ComponentRecord> ReleaseBuilder::KeepImage(const ImageConfig& image, const ReleaseRequest& request,
                                                  const std::string& folder) {
  std::string file = image.file;
  for (const auto& [component, path] : request.image_files) {
    if (component == image.component) file = path;
  }
  error_context_ = file;
  ComponentRecord record;
  record.component = image.component;
  record.slot_class = image.slot_class;
  record.image_file = image.component + ".image";
  FileSource source = TILL_TRY(FileSource::Open(file));
  if (source.size() == 0) return Error{ErrorCode::kInvalid, "the image is empty"};
  if (source.size() > kMaxImageBytes) return Error{ErrorCode::kLimit, "the image is larger than 2 GiB", source.size()};
  record.image_length = source.size();
  record.image_sha256 = TILL_TRY(crypto::Sha256OfSource(source));
  FileSink copy = TILL_TRY(FileSink::Create(folder + "/" + record.image_file));
  TILL_TRY(Copy(source, copy));
  TILL_TRY(copy.Finish());
  return record;
}

std::vector<ReleaseBuilder::Job> ReleaseBuilder::PlanJobs(const ReleaseRecord& release,
                                                          const std::vector<ReleaseRecord>& bases) const {
  std::vector<Job> jobs;
  const std::string new_folder = config_.out_folder + "/" + release.version + ".new/";
  for (size_t index = 0; index < release.components.size(); ++index) {
    const ComponentRecord& component = release.components[index];
    PayloadRecord full;
    full.file = component.component + ".full.till";
    jobs.push_back({index, new_folder + component.image_file, "", component.component + " full", full});
    for (const ReleaseRecord& base : bases) {
      for (const ComponentRecord& old : base.components) {
        if (old.component != component.component || old.image_sha256 == component.image_sha256) continue;
        PayloadRecord delta;
        delta.is_delta = true;
        delta.base_version = base.version;
        delta.base = old.image_sha256;
        delta.base_length = old.image_length;
        delta.file = component.component + ".from-" + ToHex(old.image_sha256).substr(0, 16) + ".till";
        const bool known =
            std::any_of(jobs.begin(), jobs.end(), [&](const Job& job) { return job.payload.file == delta.file; });
        if (known) continue;  // two versions with the same image
        jobs.push_back({index, new_folder + component.image_file,
                        config_.out_folder + "/" + base.version + "/" + old.image_file,
                        component.component + " from " + base.version, delta});
      }
    }
  }
  return jobs;
}

Status ReleaseBuilder::RunJobs(std::vector<Job>& jobs, unsigned parallel, const std::string& folder) {
  std::atomic<size_t> next{0};
  std::mutex first_failure_mutex;
  std::optional<Error> first_failure;
  const auto work = [&] {
    for (size_t index = next++; index < jobs.size(); index = next++) {
      const Status made = MakePayload(jobs[index], folder);
      if (made.ok()) continue;
      const std::lock_guard lock(first_failure_mutex);
      if (!first_failure.has_value()) {
        first_failure = made.error();
        error_context_ = jobs[index].what;
      }
      next = jobs.size();
    }
  };
  std::vector<std::thread> threads;
  for (unsigned i = 1; i < std::min<size_t>(parallel, jobs.size()); ++i) threads.emplace_back(work);
  work();
  for (std::thread& thread : threads) thread.join();
  if (first_failure.has_value()) return *first_failure;
  return Ok();
}

Status ReleaseBuilder::MakePayload(Job& job, const std::string& folder) {
  const Bytes target = TILL_TRY(ReadBinaryFile(job.target_path, kMaxImageBytes));
  const Bytes base = job.base_path.empty() ? Bytes() : TILL_TRY(ReadBinaryFile(job.base_path, kMaxImageBytes));
  delta::DiffOptions options;
  options.progress = [&](const delta::DiffProgress& progress) {
    on_progress_({job.what, progress.stage, progress.done_bytes, progress.total_bytes});
    return true;
  };
  const Bytes payload =
      TILL_TRY(job.base_path.empty() ? delta::MakeFull(target, options) : delta::MakeDelta(base, target, options));
  MemorySource source(payload);
  const delta::PayloadFile opened = TILL_TRY(delta::OpenPayload(source));
  on_progress_({job.what, "prove", 0, payload.size()});
  TILL_TRY(Prove(payload, base, opened.header.arena_bytes));
  job.payload.length = payload.size();
  job.payload.sha256 = crypto::Sha256Of(payload);
  job.payload.chunk_list_length = opened.chunks.encoded_length();
  job.payload.chunk_list_sha256 = opened.chunks_sha256;
  job.payload.arena_bytes = opened.header.arena_bytes;
  job.payload.format_minor = opened.header.minor_version;
  return WriteFileAtomically(folder + "/" + job.payload.file, payload);
}

// The full payload is always kept; a delta only when it is small enough and the profile's terminals can apply it.
void ReleaseBuilder::ChooseKept(ReleaseRecord& release, std::vector<Job>& jobs, const std::string& folder) {
  uint64_t full_bytes = 0;
  for (Job& job : jobs) {
    ComponentRecord& component = release.components[job.component_index];
    if (!job.payload.is_delta) full_bytes = job.payload.length;
    PayloadReport report{component.component,
                         job.payload.base_version,
                         job.payload.length,
                         full_bytes,
                         job.payload.arena_bytes,
                         true,
                         ""};
    if (job.payload.is_delta && job.payload.length * 1000 >= full_bytes * config_.keep_permille) {
      report.why_not = "not below " + std::to_string(config_.keep_permille / 10) + " % of the full payload";
    } else if (job.payload.arena_bytes > config_.profile.arena_bytes) {
      report.why_not = std::string("needs more memory than profile ") + config_.profile.name + " has";
    }
    report.kept = report.why_not.empty() || !job.payload.is_delta;
    if (report.kept) {
      component.payloads.push_back(job.payload);
    } else {
      std::error_code ignored;
      std::filesystem::remove(folder + "/" + job.payload.file, ignored);
    }
    reports_.push_back(std::move(report));
  }
}

Status ReleaseBuilder::Sign(const ReleaseRecord& release, int64_t now_unix_s) {
  error_context_ = config_.keys_folder;
  const tuf::RoleSet keys = TILL_TRY(LoadKeys(config_.keys_folder));
  error_context_ = config_.out_folder + "/tuf";
  tuf::Repository repository = TILL_TRY(tuf::Repository::Open(config_.out_folder + "/tuf"));
  for (tuf::TargetEntry& entry : TargetEntries(release)) repository.Put(std::move(entry));
  return repository.Publish(keys, tuf::Lifetimes{}, now_unix_s);
}

Result<std::vector<ReleaseRecord>> ChooseBases(const BaseChoice& choice, std::vector<ReleaseRecord> earlier,
                                               std::string& missing) {
  if (choice.kind == BaseChoice::Kind::kAll) return earlier;
  if (choice.kind == BaseChoice::Kind::kLast) {
    const size_t surplus = earlier.size() > choice.last ? earlier.size() - choice.last : 0;
    earlier.erase(earlier.begin(), earlier.begin() + static_cast<ptrdiff_t>(surplus));
    return earlier;
  }
  std::vector<ReleaseRecord> chosen;
  for (const std::string& version : choice.versions) {
    const auto found =
        std::find_if(earlier.begin(), earlier.end(), [&](const ReleaseRecord& r) { return r.version == version; });
    if (found == earlier.end() && !earlier.empty()) {
      missing = version;
      return Error{ErrorCode::kNotFound, "a base that the configuration names was never released here"};
    }
    if (found != earlier.end()) chosen.push_back(*found);
  }
  return chosen;
}

}  // namespace till::packer
