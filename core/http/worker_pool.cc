#include "core/http/worker_pool.h"

#include <pthread.h>
#include <signal.h>

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

namespace till::http {

struct WorkerPool::Impl {
  void Run();

  std::mutex mutex;
  std::condition_variable news;
  std::deque<std::function<void()>> queue;
  size_t max_queued = 0;
  bool stopping = false;
  std::vector<std::thread> threads;
};

void WorkerPool::Impl::Run() {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);  // signals are for the program's main thread
  for (;;) {
    std::function<void()> job;
    {
      std::unique_lock<std::mutex> lock(mutex);
      news.wait(lock, [this] { return stopping || !queue.empty(); });
      if (queue.empty()) return;
      job = std::move(queue.front());
      queue.pop_front();
    }
    job();
  }
}

WorkerPool::WorkerPool(unsigned threads, size_t max_queued) : impl_(std::make_unique<Impl>()) {
  impl_->max_queued = max_queued;
  for (unsigned i = 0; i < std::max(threads, 1U); ++i) impl_->threads.emplace_back([this] { impl_->Run(); });
}

WorkerPool::~WorkerPool() {
  {
    const std::lock_guard<std::mutex> lock(impl_->mutex);
    impl_->stopping = true;
  }
  impl_->news.notify_all();
  for (std::thread& thread : impl_->threads) thread.join();
}

bool WorkerPool::Post(std::function<void()> job) {
  {
    const std::lock_guard<std::mutex> lock(impl_->mutex);
    if (impl_->stopping || impl_->queue.size() >= impl_->max_queued) return false;
    impl_->queue.push_back(std::move(job));
  }
  impl_->news.notify_one();
  return true;
}

}  // namespace till::http
