// Threads for handlers that may block, beside the loops.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>

namespace till::http {

// Post() is refused (false) when `max_queued` jobs wait: answer 503 then.
class WorkerPool {
 public:
  WorkerPool(unsigned threads, size_t max_queued);
  ~WorkerPool();  // runs what is queued, then joins
  bool Post(std::function<void()> job);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace till::http
