// Who may connect: a bound on connections in all and per address, shared by the loops. Any thread.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <unordered_map>

namespace till::http {

enum class Entry : uint8_t {
  kServe,
  kBusy,     // past the bound in all: 503 with Retry-After
  kTooMany,  // past the bound of its address: 429
  kDrop,     // so far past a bound that there is not even room for saying so
};

class Admission {
 public:
  Admission(uint32_t max_connections, uint32_t max_per_address)
      : max_connections_(max_connections), max_per_address_(max_per_address) {}

  // Every entry but kDrop is to be paired with Leave() of the same address.
  Entry Enter(const std::string& address) {
    const std::lock_guard<std::mutex> lock(mutex_);
    Entry entry = served_ >= max_connections_ ? Entry::kBusy : Entry::kServe;
    if (CountsAddresses()) {
      uint32_t& of_address = by_address_[address];
      if (of_address >= max_per_address_) entry = Entry::kTooMany;
      if (entry == Entry::kServe) ++of_address;
      if (of_address == 0) by_address_.erase(address);
    }
    if (entry == Entry::kServe) {
      ++served_;
    } else if (refused_ >= kRefusals) {
      return Entry::kDrop;
    } else {
      ++refused_;
    }
    return entry;
  }

  void Leave(const std::string& address, Entry entry) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (entry != Entry::kServe) {
      --refused_;
      return;
    }
    --served_;
    if (!CountsAddresses()) return;
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
  bool CountsAddresses() const { return max_per_address_ < max_connections_; }

  const uint32_t max_connections_;
  const uint32_t max_per_address_;
  std::mutex mutex_;
  uint32_t served_ = 0;
  uint32_t refused_ = 0;
  std::unordered_map<std::string, uint32_t> by_address_;
};

}  // namespace till::http
