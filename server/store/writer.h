// Group commit: write jobs from any thread run on one thread, many in one transaction, so that one fsync pays for all.
//   A job must check before it writes: a refusal it finds out is part of its own result (kept by its closure), and an
//   Error means the store failed. An Error undoes the transaction; its jobs are then run again one by one, so closures
//   set their results afresh at each run.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>

#include "core/kv/kv.h"

namespace till::server {

class Writer {
 public:
  using Job = std::function<Status(kv::WriteTxn&)>;
  using Done = std::function<void(Status)>;

  // `store` outlives the writer. Jobs above `max_queued` are refused.
  Writer(kv::Store& store, size_t max_queued);
  ~Writer();  // runs what is queued
  // Runs `done` on the writer's thread once the job's transaction is durable (or failed). false: the queue is full,
  // nothing will be called; answer 503.
  bool Post(Job job, Done done);
  // The same, waiting for the end. Not on a loop thread, not inside a job.
  Status Run(Job job);

 private:
  struct Entry {
    Job job;
    Done done;
  };
  void Loop();
  void Commit(std::deque<Entry>& batch);

  kv::Store& store_;
  const size_t max_queued_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Entry> queue_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace till::server
