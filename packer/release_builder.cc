#include "packer/release_builder.h"

#include <algorithm>
#include <filesystem>
#include <mutex>
#include <optional>
#include <thread>

#include "core/file.h"
#include "core/text.h"
#include "core/tuf/repository.h"
#include "packer/chunk_tier.h"
#include "packer/hub_metadata.h"
#include "packer/key_ring.h"
#include "packer/withdrawn.h"

namespace till::packer {
struct ReleaseBuilder::Job {
  size_t component_index;
  std::string target_path;
  std::string base_path;  // "" for the full payload
  std::string what;
  PayloadRecord payload;
  uint64_t terminals = 0;
  bool does_not_fit = false;  // no delta that this profile's terminals could apply
};

ReleaseBuilder::ReleaseBuilder(const ReleaseConfig& config, std::function<void(const BuildProgress&)> on_progress)
    : config_(config), on_progress_(std::move(on_progress)) {}

Result<ReleaseRecord> ReleaseBuilder::Build(const ReleaseRequest& request) {
  error_context_ = request.version;
  if (!IsVersionName(request.version)) return Error{ErrorCode::kInvalid, kVersionRule};
  for (const auto& named : request.image_files) {
    const auto is_it = [&](const ImageConfig& image) { return image.component == named.first; };
    if (std::any_of(config_.images.begin(), config_.images.end(), is_it)) continue;
    error_context_ = "--image " + named.first;
    return Error{ErrorCode::kInvalid, "the configuration has no image of this name"};
  }
  const std::string folder = config_.out_folder + "/" + request.version;
  if (FileExists(folder)) return Error{ErrorCode::kConflict, "this version was released already"};
  const std::vector<std::string> withdrawn = TILL_TRY(ReadWithdrawn(config_.out_folder));
  if (std::ranges::find(withdrawn, request.version) != withdrawn.end())
    return Error{ErrorCode::kConflict, "this version was withdrawn"};
  std::vector<ReleaseRecord> earlier = TILL_TRY(ReadReleases(config_.out_folder));
  std::string missing;
  Result<std::vector<ReleaseRecord>> bases = ChooseBases(config_.bases, std::move(earlier), request.census, missing);
  if (!bases.ok()) {
    error_context_ = missing;
    return bases.error();
  }

  const std::string beside = folder + ".new";
  std::error_code failed;
  std::filesystem::remove_all(beside, failed);
  Result<ReleaseRecord> release = BuildBeside(request, *bases, beside);
  if (!release.ok()) {
    std::filesystem::remove_all(beside, failed);
    return release.error();
  }
  error_context_ = folder;
  std::filesystem::rename(beside, folder, failed);
  if (failed) return SystemError("cannot put the release in its place", failed.value());
  TILL_TRY(WriteMetadataTar(config_.out_folder + "/tuf", config_.out_folder + "/release.tuf"));
  return release;
}

Result<ReleaseRecord> ReleaseBuilder::BuildBeside(const ReleaseRequest& request,
                                                  const std::vector<ReleaseRecord>& bases, const std::string& beside) {
  TILL_TRY(MakeFolders(beside));
  ReleaseRecord release;
  release.product = config_.product;
  release.version = request.version;
  release.boards = config_.boards;
  release.rollback_index = config_.rollback_index;
  for (const ImageConfig& image : config_.images)
    release.components.push_back(TILL_TRY(KeepImage(image, request, beside)));
  std::vector<Job> jobs = PlanJobs(release, bases, request.census);
  TILL_TRY(RunJobs(jobs, std::max(1U, request.jobs), beside));
  TILL_TRY(LookAtBuild(jobs));
  ChooseKept(release, jobs, beside);
  TILL_TRY(WriteReleaseRecord(beside, release));
  // Signed before it is put in its place: a crash between the two leaves a folder that the next run replaces.
  TILL_TRY(Sign(release, request.now_unix_s));
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
  if (source.size() > kMaxImageFileBytes)
    return Error{ErrorCode::kLimit, "the image is larger than 2 GiB", source.size()};
  record.image_length = source.size();
  record.image_sha256 = TILL_TRY(crypto::Sha256OfSource(source));
  FileSink copy = TILL_TRY(FileSink::Create(folder + "/" + record.image_file));
  TILL_TRY(Copy(source, copy));
  TILL_TRY(copy.Finish());
  return record;
}

std::vector<ReleaseBuilder::Job> ReleaseBuilder::PlanJobs(const ReleaseRecord& release,
                                                          const std::vector<ReleaseRecord>& bases,
                                                          const FleetCensus* census) const {
  std::vector<Job> jobs;
  const std::string new_folder = config_.out_folder + "/" + release.version + ".new/";
  for (size_t index = 0; index < release.components.size(); ++index) {
    const ComponentRecord& component = release.components[index];
    PayloadRecord full;
    full.file = component.component + ".full.till";
    jobs.push_back({index, new_folder + component.image_file, "", component.component + " full", full, 0});
    if (config_.chunks) {
      PayloadRecord chunks;
      chunks.kind = PayloadRecord::Kind::kChunks;
      chunks.file = component.component + ".chunks.till";
      jobs.push_back({index, new_folder + component.image_file, "", component.component + " chunks", chunks, 0});
    }
    for (const ReleaseRecord& base : bases) {
      for (const ComponentRecord& old : base.components) {
        if (old.component != component.component || old.image_sha256 == component.image_sha256) continue;
        PayloadRecord delta;
        delta.kind = PayloadRecord::Kind::kDelta;
        delta.base_version = base.version;
        delta.base = old.image_sha256;
        delta.base_length = old.image_length;
        delta.file = component.component + ".from-" + ToHex(old.image_sha256).substr(0, 16) + ".till";
        const bool known =
            std::any_of(jobs.begin(), jobs.end(), [&](const Job& job) { return job.payload.file == delta.file; });
        if (known) continue;  // two versions with the same image
        jobs.push_back(
            {index, new_folder + component.image_file, config_.out_folder + "/" + base.version + "/" + old.image_file,
             component.component + " from " + base.version, delta, census == nullptr ? 0 : census->Running(old)});
      }
    }
  }
  return jobs;
}

Status ReleaseBuilder::RunJobs(std::vector<Job>& jobs, unsigned parallel, const std::string& folder) {
  planned_ = static_cast<unsigned>(jobs.size());
  threads_each_ = std::max(1U, parallel / std::max(1U, planned_));
  std::atomic<size_t> next{0};
  std::mutex first_failure_mutex;
  std::optional<Error> first_failure;
  const auto work = [&] {
    for (size_t index = next++; index < jobs.size(); index = next++) {
      const Status made = KeepPayload(jobs[index], folder);
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

Status ReleaseBuilder::KeepPayload(Job& job, const std::string& folder) {
  if (job.payload.kind == PayloadRecord::Kind::kChunks) {
    FileSink object = TILL_TRY(FileSink::Create(folder + "/" + job.payload.file));
    TILL_TRY(MakeChunkObject(job.target_path, object, kChunkAverageLog2, job.payload));
    ++made_;
    return Ok();
  }
  PayloadRequest request;
  request.base_path = job.base_path;
  request.target_path = job.target_path;
  request.profile = config_.profile;
  request.progress = [&](const delta::DiffProgress& progress) {
    on_progress_({job.what, progress.stage, progress.done_bytes, progress.total_bytes, made_, planned_});
    return true;
  };
  request.threads = threads_each_;
  const Result<MadePayload> made = MakePayload(request);
  if (!made.ok() && made.error().code == ErrorCode::kLimit && job.payload.is_delta()) {
    job.does_not_fit = true;  // the release goes on without it
    ++made_;
    return Ok();
  }
  if (!made.ok()) return made.error();
  const delta::PayloadHeader& header = made->facts.header;
  job.payload.length = made->bytes.size();
  job.payload.sha256 = made->sha256;
  job.payload.chunk_list_length = made->facts.chunks.encoded_length();
  job.payload.chunk_list_sha256 = made->facts.chunks_sha256;
  job.payload.arena_bytes = header.arena_bytes;
  job.payload.format_minor = header.minor_version;
  job.payload.instructions = header.instruction_estimate;
  TILL_TRY(WriteFileAtomically(folder + "/" + job.payload.file, made->bytes));
  ++made_;
  return Ok();
}

// The last delta of a component starts from its newest base.
Status ReleaseBuilder::LookAtBuild(const std::vector<Job>& jobs) {
  for (size_t i = 0; i < jobs.size(); ++i) {
    const Job& job = jobs[i];
    const bool is_newest = i + 1 == jobs.size() || jobs[i + 1].component_index != job.component_index;
    if (!job.payload.is_delta() || !is_newest) continue;
    const Bytes base = TILL_TRY(ReadBinaryFile(job.base_path, kMaxImageFileBytes));
    const Bytes target = TILL_TRY(ReadBinaryFile(job.target_path, kMaxImageFileBytes));
    for (BuildWarning& warning : LookForIrreproducibility(base, target)) warnings_.push_back(std::move(warning));
  }
  return Ok();
}

std::string ReleaseBuilder::WhyNotKept(const PayloadRecord& payload, uint64_t full_bytes) const {
  if (payload.length * 1000 >= full_bytes * config_.keep_permille)
    return "not below " + std::to_string(config_.keep_permille / 10) + " % of the full payload";
  if (payload.arena_bytes > config_.profile->max_arena_bytes) {
    return "wants " + FormatSize(payload.arena_bytes) + " of memory, profile " + std::string(config_.profile->name) +
           " has " + FormatSize(config_.profile->max_arena_bytes);
  }
  return "";
}

// The full payload is always kept; a delta only when it is small enough and the profile's terminals can apply it.
void ReleaseBuilder::ChooseKept(ReleaseRecord& release, std::vector<Job>& jobs, const std::string& folder) {
  uint64_t full_bytes = 0;
  for (Job& job : jobs) {
    ComponentRecord& component = release.components[job.component_index];
    if (job.payload.kind == PayloadRecord::Kind::kFull) full_bytes = job.payload.length;
    PayloadReport report;
    report.component = component.component;
    report.base_version = job.payload.base_version;
    report.is_chunks = job.payload.kind == PayloadRecord::Kind::kChunks;
    report.bytes = job.payload.length;
    report.full_bytes = full_bytes;
    report.arena_bytes = job.payload.arena_bytes;
    report.instructions = job.payload.instructions;
    report.terminals = job.terminals;
    if (job.payload.is_delta()) report.why_not = WhyNotKept(job.payload, full_bytes);
    if (job.does_not_fit) report.why_not = "none fits the memory of profile " + std::string(config_.profile->name);
    report.kept = report.why_not.empty();
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
  const tuf::RoleSet keys = TILL_TRY(LoadKeys(config_.keys_folder, kRolesOfReleases, error_context_));
  error_context_ = config_.out_folder + "/tuf";
  tuf::Repository repository = TILL_TRY(tuf::Repository::Open(config_.out_folder + "/tuf"));
  for (tuf::TargetEntry& entry : TargetEntries(release)) repository.Put(std::move(entry));
  const Status signed_all = repository.Publish(keys, tuf::Lifetimes{}, now_unix_s);
  if (signed_all.ok() || signed_all.error().code != ErrorCode::kInvalid) return signed_all;
  error_context_ = config_.keys_folder + " holds other keys than the root of " + config_.out_folder + "/tuf names";
  return Error{ErrorCode::kRefused, signed_all.error().what};
}

Result<std::vector<ReleaseRecord>> ChooseBases(const BaseChoice& choice, std::vector<ReleaseRecord> earlier,
                                               const FleetCensus* census, std::string& missing) {
  if (choice.kind == BaseChoice::Kind::kAll) return earlier;
  if (choice.kind == BaseChoice::Kind::kDeployed) {
    if (census == nullptr) return Error{ErrorCode::kInvalid, "the fleet was not asked what it runs"};
    const auto nobody_runs = [&](const ReleaseRecord& release) {
      return std::none_of(release.components.begin(), release.components.end(),
                          [&](const ComponentRecord& component) { return census->Running(component) > 0; });
    };
    std::erase_if(earlier, nobody_runs);
    return earlier;
  }
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
