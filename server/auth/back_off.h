// How long a sign-in has to wait after wrong ones: counted per (user, address), so that nobody locks out another.
//   Five wrong ones are free; then 1 s, 2 s, 4 s … up to five minutes. One address has at most four tries under way, so
//   it cannot fill the queue either. A pair is forgotten after half an hour without a try, or when there is no room:
//   the one with the fewest wrong tries first. Thread rule: the caller's lock.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>

namespace till::server {

class BackOff {
 public:
  using Pair = std::pair<std::string, std::string>;  // user, address (ClientKey())
  explicit BackOff(size_t max_pairs) : max_pairs_(max_pairs) {}

  // 0: the try may go on, and is under way until End(). Otherwise the seconds after which another makes sense.
  int64_t Begin(const Pair& pair, int64_t now_ms);
  enum class Outcome : uint8_t { kRight, kWrong, kNotTried };
  void End(const Pair& pair, Outcome outcome, int64_t now_ms);
  size_t size() const { return pairs_.size(); }

 private:
  struct State {
    uint32_t wrong = 0;
    uint32_t under_way = 0;
    int64_t wait_until_ms = 0;
    int64_t last_ms = 0;
  };
  bool MakeRoom(int64_t now_ms);

  const size_t max_pairs_;
  std::map<Pair, State> pairs_;
  std::map<std::string, uint32_t> under_way_;  // by address
};

}  // namespace till::server
