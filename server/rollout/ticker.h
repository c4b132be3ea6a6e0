// The thread that moves rollouts: every interval it lists the rollouts that have work and steps each until it rests.
#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>

#include "server/hub.h"

namespace till::rollout {

// One round over all rollouts, as the thread does it. Errors are the store's.
Status Tick(server::Hub& hub);

class Ticker {
 public:
  // `hub` outlives the ticker.
  Ticker(server::Hub& hub, int64_t interval_ms);
  ~Ticker();    // ends after the step that is running
  void Wake();  // a round at once: somebody said start

 private:
  void Loop();

  server::Hub& hub_;
  const int64_t interval_ms_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  bool asked_ = false;
  std::thread thread_;
};

}  // namespace till::rollout
