// Who may connect: a bound on connections in all and per address, shared by the loops. Any thread.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <unordered_map>
#include <unordered_set>

namespace till::http {

enum class Entry : uint8_t {
  kServe,
  kBusy,     // past the bound in all: 503 with Retry-After
  kTooMany,  // past the bound of its address: 429 with Retry-After
};

struct Admitted {
  Entry entry = Entry::kServe;
  bool may_stay = true;  // false: so many are being told already that this one is told at the door
};

class Admission {
 public:
  // `unbounded`: addresses (as the loops write them) that the bound per address is not for.
  Admission(uint32_t max_connections, uint32_t max_per_address, std::unordered_set<std::string> unbounded)
      : max_connections_(max_connections), max_per_address_(max_per_address), unbounded_(std::move(unbounded)) {}

  // When it may stay, to be paired with Leave() of the same address.
  Admitted Enter(const std::string& address) {
    const std::lock_guard<std::mutex> lock(mutex_);
    Entry entry = served_ >= max_connections_ ? Entry::kBusy : Entry::kServe;
    if (Counts(address)) {
      uint32_t& of_address = by_address_[address];
      if (of_address >= max_per_address_) entry = Entry::kTooMany;
      if (entry == Entry::kServe) ++of_address;
      if (of_address == 0) by_address_.erase(address);
    }
    if (entry == Entry::kServe) {
      ++served_;
    } else if (refused_ >= kRefusals) {
      return {entry, false};
    } else {
      ++refused_;
    }
    return {entry, true};
  }

  void Leave(const std::string& address, Entry entry) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (entry != Entry::kServe) {
      --refused_;
      return;
    }
    --served_;
    if (!Counts(address)) return;
    const auto found = by_address_.find(address);
    if (found != by_address_.end() && --found->second == 0) by_address_.erase(found);
  }

  uint32_t open() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return served_ + refused_;
  }

 private:
  // Connections that are let in, for a second at most, only to be told why they are not served.
  static constexpr uint32_t kRefusals = 64;
  bool Counts(const std::string& address) const {
    return max_per_address_ < max_connections_ && (unbounded_.empty() || !unbounded_.contains(address));
  }

  const uint32_t max_connections_;
  const uint32_t max_per_address_;
  const std::unordered_set<std::string> unbounded_;
  std::mutex mutex_;
  uint32_t served_ = 0;
  uint32_t refused_ = 0;
  std::unordered_map<std::string, uint32_t> by_address_;
};

}  // namespace till::http
