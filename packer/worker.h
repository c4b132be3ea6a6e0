// Makes the deltas that terminals wait for: asks a hub what is missing, takes one on lease, makes, signs and publishes
// it. Everything comes from the hub (signed metadata, full payloads), everything is checked against the trusted root.
//   A worker may be killed at any moment: what it was making is leased to another when the lease ends, and the same
//   inputs give the same payload. It holds the keys of deltas, snapshot and timestamp, never those of root or targets.
#pragma once

#include <functional>
#include <string>

#include "core/tuf/repository.h"
#include "delta/diff/profile.h"
#include "packer/hub_connection.h"
#include "packer/release_record.h"

namespace till::packer {

struct WorkerOptions {
  HubAccess hub;
  std::string tenant = "DEFAULT";
  std::string work_folder;             // images and metadata, kept between jobs; one worker at a time
  std::string trusted_root;            // file; what the hub publishes must begin with exactly this root
  const tuf::RoleSet* keys = nullptr;  // not owned
  const delta::Profile* profile = nullptr;
  unsigned keep_permille = 700;
  unsigned threads = 1;
  int64_t lease_s = 1800;
  std::function<int64_t()> now_unix_s;
};

struct WorkerJob {
  std::string base, target;  // SHA-256 of images
  std::string product, version, component;
  uint64_t terminals = 0;
};

struct WorkerOutcome {
  WorkerJob job;
  uint64_t bytes = 0;
  uint64_t full_bytes = 0;
  std::string refused;  // why it was not published, if it was not
};

class Worker {
 public:
  explicit Worker(WorkerOptions options) : options_(std::move(options)), hub_(options_.hub) {}

  // The most wanted delta that nobody else makes, made and published. Nothing: none is missing.
  Result<std::optional<WorkerOutcome>> DoOne();
  const std::string& error_context() const { return context_; }

 private:
  Result<std::optional<WorkerJob>> TakeJob();
  Result<WorkerOutcome> Make(const WorkerJob& job);
  Status TakeMetadata();
  // Rebuilds an image from its full payload, unless it is here already.
  Result<std::string> FetchImage(const std::string& sha256, uint64_t* full_bytes);
  Status Publish(const WorkerJob& job, const std::string& path, const PayloadRecord& payload);
  std::string RefusalPath(const WorkerJob& job) const;
  std::string tuf_folder() const { return options_.work_folder + "/tuf"; }

  WorkerOptions options_;
  HubConnection hub_;
  std::string context_;
};

}  // namespace till::packer
