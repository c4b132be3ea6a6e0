#include "server/auth/back_off.h"

#include <algorithm>

namespace till::server {
namespace {

constexpr uint32_t kFreeTries = 5;
constexpr uint32_t kMostUnderWay = 4;  // of one address
constexpr int64_t kLongestWaitMs = 300'000;
constexpr int64_t kForgetMs = 1'800'000;

int64_t WaitAfter(uint32_t wrong) {
  if (wrong < kFreeTries) return 0;
  const uint32_t doublings = std::min(wrong - kFreeTries, 20U);
  return std::min(kLongestWaitMs, int64_t{1000} << doublings);
}

}  // namespace

int64_t BackOff::Begin(const Pair& pair, int64_t now_ms) {
  const auto busy = under_way_.find(pair.second);
  if (busy != under_way_.end() && busy->second >= kMostUnderWay) return 1;
  auto found = pairs_.find(pair);
  if (found == pairs_.end()) {
    if (pairs_.size() >= max_pairs_ && !MakeRoom(now_ms)) return 1;
    found = pairs_.emplace(pair, State{}).first;
  }
  State& state = found->second;
  if (state.wait_until_ms > now_ms) return (state.wait_until_ms - now_ms + 999) / 1000;
  // Tries at the same time count as wrong until they have ended: many at once get no more guesses than one by one.
  if (state.under_way > 0 && state.wrong + state.under_way >= kFreeTries) return 1;
  ++state.under_way;
  ++under_way_[pair.second];
  state.last_ms = now_ms;
  return 0;
}

void BackOff::End(const Pair& pair, Outcome outcome, int64_t now_ms) {
  if (const auto busy = under_way_.find(pair.second); busy != under_way_.end() && --busy->second == 0) {
    under_way_.erase(busy);
  }
  const auto found = pairs_.find(pair);
  if (found == pairs_.end()) return;
  State& state = found->second;
  --state.under_way;
  if (outcome == Outcome::kRight) state.wrong = 0;
  if (outcome == Outcome::kWrong) state.wait_until_ms = now_ms + WaitAfter(++state.wrong);
  if (state.wrong == 0 && state.under_way == 0) pairs_.erase(found);
}

bool BackOff::MakeRoom(int64_t now_ms) {
  std::erase_if(pairs_, [&](const auto& entry) {
    return entry.second.under_way == 0 && now_ms - entry.second.last_ms > kForgetMs;
  });
  if (pairs_.size() < max_pairs_) return true;
  const auto least = std::min_element(pairs_.begin(), pairs_.end(), [](const auto& a, const auto& b) {
    const State &left = a.second, &right = b.second;
    if ((left.under_way > 0) != (right.under_way > 0)) return right.under_way > 0;
    return left.wrong != right.wrong ? left.wrong < right.wrong : left.last_ms < right.last_ms;
  });
  if (least->second.under_way > 0) return false;
  pairs_.erase(least);
  return true;
}

}  // namespace till::server
