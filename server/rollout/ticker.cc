#include "server/rollout/ticker.h"

#include <chrono>
#include <vector>

#include "core/log.h"
#include "server/rollout/engine.h"
#include "server/store/rollouts.h"
#include "server/store/writer.h"

namespace till::rollout {
namespace {

// What no further try can mend (the set was invalidated, say) is put before a person: the rollout pauses.
void PauseInTrouble(server::Hub& hub, server::RolloutId id, const Error& error, int64_t now_ms) {
  log::Warn("a rollout cannot go on", {{"rollout", server::IdText(id)}, {"error", error}});
  const bool for_good = error.code == ErrorCode::kInvalid || error.code == ErrorCode::kNotFound ||
                        error.code == ErrorCode::kRefused || error.code == ErrorCode::kLimit;
  if (!for_good) return;
  const Status paused = hub.writer.Run([&](kv::WriteTxn& txn) {
    return Pause(txn, id, server::Actor{"rollout", now_ms});
  });
  if (!paused.ok()) log::Warn("a rollout in trouble cannot be paused", {{"error", paused.error()}});
}

}  // namespace

Status Tick(server::Hub& hub) {
  const int64_t now_ms = hub.clock.UnixMs();
  std::vector<server::RolloutId> work;
  TILL_TRY(hub.store.View([&](kv::ReadTxn& txn) {
    work.clear();
    return server::ForEachRollout(txn, [&](const server::Rollout& rollout) {
      if (HasWork(rollout, now_ms)) work.push_back(rollout.id);
      return true;
    });
  }));
  for (const server::RolloutId id : work) {
    for (bool more = true; more;) {
      const Status done = hub.writer.Run([&](kv::WriteTxn& txn) -> Status {
        more = false;
        more = TILL_TRY(Step(txn, id, now_ms));
        return Ok();
      });
      if (done.ok()) continue;
      PauseInTrouble(hub, id, done.error(), now_ms);  // and go on with the others
      more = false;
    }
  }
  return Ok();
}

Ticker::Ticker(server::Hub& hub, int64_t interval_ms)
    : hub_(hub), interval_ms_(interval_ms), thread_([this] { Loop(); }) {}

Ticker::~Ticker() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void Ticker::Wake() {
  {
    const std::lock_guard lock(mutex_);
    asked_ = true;
  }
  wake_.notify_all();
}

void Ticker::Loop() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    asked_ = false;
    lock.unlock();
    const Status done = Tick(hub_);
    if (!done.ok()) log::Warn("the rollout tick failed", {{"error", done.error()}});
    lock.lock();
    wake_.wait_for(lock, std::chrono::milliseconds(interval_ms_), [this] { return stopping_ || asked_; });
  }
}

}  // namespace till::rollout
