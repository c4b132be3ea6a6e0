// Builds one release: keeps a copy of each image, makes the full payload and a delta from every chosen base, proves
// each by applying it with the real applier under its declared arena, signs, and writes the record.
//   Parallel over payloads, `jobs` at a time; the same bytes at any `jobs`, path, locale and umask.
//   Memory: per delta both images, 5 x base and the payload (delta/diff/diff.h).
//   The release folder appears whole or not at all: it is built beside and renamed, the metadata is signed last.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <vector>

#include "packer/build_warnings.h"
#include "packer/fleet_census.h"
#include "packer/payload_maker.h"
#include "packer/release_config.h"
#include "packer/release_record.h"

namespace till::packer {

struct ReleaseRequest {
  std::string version;
  std::vector<std::pair<std::string, std::string>> image_files;  // component -> file, instead of the configuration's
  unsigned jobs = 1;
  int64_t now_unix_s = 0;
  const FleetCensus* census = nullptr;  // not owned; wanted when the bases are the deployed ones
};

// One payload's fate, for the table that people read.
struct PayloadReport {
  std::string component;
  std::string base_version;  // "" for the full payload and the chunks
  bool is_chunks = false;
  uint64_t bytes = 0;
  uint64_t full_bytes = 0;
  uint64_t arena_bytes = 0;
  uint64_t instructions = 0;  // 2^20; 0: no estimate
  uint64_t terminals = 0;     // that run the base, when the fleet was asked
  bool kept = false;
  std::string why_not;  // when not kept
};

struct BuildProgress {
  std::string what;   // "rootfs from 1.0.0"
  std::string stage;  // "match", "prove"
  uint64_t done_bytes = 0;
  uint64_t total_bytes = 0;
  unsigned made = 0;     // payloads that are done
  unsigned planned = 0;  // of so many
};

class ReleaseBuilder {
 public:
  // `on_progress` is called from worker threads, at any time.
  ReleaseBuilder(const ReleaseConfig& config, std::function<void(const BuildProgress&)> on_progress);

  // kConflict: the version exists with other images; kNotFound: an image, a key or the repository; kInvalid: a bad
  // name.
  Result<ReleaseRecord> Build(const ReleaseRequest& request);
  const std::vector<PayloadReport>& reports() const { return reports_; }
  // Of the images against those of the newest base.
  const std::vector<BuildWarning>& warnings() const { return warnings_; }
  // The file or thing the last Error is about.
  const std::string& error_context() const { return error_context_; }

 private:
  struct Job;
  Result<ReleaseRecord> BuildBeside(const ReleaseRequest& request, const std::vector<ReleaseRecord>& bases,
                                    const std::string& beside);
  Result<ComponentRecord> KeepImage(const ImageConfig& image, const ReleaseRequest& request, const std::string& folder);
  std::vector<Job> PlanJobs(const ReleaseRecord& release, const std::vector<ReleaseRecord>& bases,
                            const FleetCensus* census) const;
  Status RunJobs(std::vector<Job>& jobs, unsigned parallel, const std::string& folder);
  Status KeepPayload(Job& job, const std::string& folder);
  void ChooseKept(ReleaseRecord& release, std::vector<Job>& jobs, const std::string& folder);
  Status LookAtBuild(const std::vector<Job>& jobs);
  std::string WhyNotKept(const PayloadRecord& payload, uint64_t full_bytes) const;
  Status Sign(const ReleaseRecord& release, int64_t now_unix_s);

  const ReleaseConfig& config_;
  std::function<void(const BuildProgress&)> on_progress_;
  std::vector<PayloadReport> reports_;
  std::vector<BuildWarning> warnings_;
  std::string error_context_;
  std::atomic<unsigned> made_{0};
  unsigned planned_ = 0;
  unsigned threads_each_ = 1;
};

// Which of the earlier releases are bases for a new one, by the configuration. kNotFound (the version's name stays in
// `missing`) when a named version was never released here. `census` may be null unless the deployed ones are wanted.
Result<std::vector<ReleaseRecord>> ChooseBases(const BaseChoice& choice, std::vector<ReleaseRecord> earlier,
                                               const FleetCensus* census, std::string& missing);

}  // namespace till::packer
