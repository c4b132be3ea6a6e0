#include "server/store/writer.h"

#include <utility>

namespace till::server {
namespace {

constexpr size_t kMaxBatch = 1000;  // LMDB with fsync: 703/s one by one, 24 k/s in transactions of 1000

}  // namespace

Writer::Writer(kv::Store& store, size_t max_queued)
    : store_(store), max_queued_(max_queued), thread_([this] { Loop(); }) {}

Writer::~Writer() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

bool Writer::Post(Job job, Done done) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_ || queue_.size() >= max_queued_) return false;
    queue_.push_back({std::move(job), std::move(done)});
  }
  wake_.notify_one();
  return true;
}

Status Writer::Run(Job job) {
  std::mutex mutex;
  std::condition_variable ended;
  std::optional<Status> answer;
  const bool posted = Post(std::move(job), [&](Status status) {
    const std::lock_guard lock(mutex);
    answer = status;
    ended.notify_one();
  });
  if (!posted) return Error{ErrorCode::kUnavailable, "too many writes wait"};
  std::unique_lock lock(mutex);
  ended.wait(lock, [&] { return answer.has_value(); });
  return *answer;
}

void Writer::Loop() {
  for (;;) {
    std::deque<Entry> batch;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
      if (queue_.empty()) return;
      while (!queue_.empty() && batch.size() < kMaxBatch) {
        batch.push_back(std::move(queue_.front()));
        queue_.pop_front();
      }
    }
    Commit(batch);
  }
}

void Writer::Commit(std::deque<Entry>& batch) {
  const Status together = store_.Update([&](kv::WriteTxn& txn) -> Status {
    for (Entry& entry : batch) TILL_TRY(entry.job(txn));
    return Ok();
  });
  for (Entry& entry : batch) {
    entry.done(together.ok() || batch.size() == 1 ? together : store_.Update(entry.job));
  }
}

}  // namespace till::server
