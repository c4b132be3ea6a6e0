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
    if (open_ >= max_connections_ + kRefusals) return Entry::kDrop;
    Entry entry = open_ >= max_connections_ ? Entry::kBusy : Entry::kServe;
    if (CountsAddresses()) {
      uint32_t& of_address = by_address_[address];
      if (of_address >= max_per_address_ + kRefusalsPerAddress) return Entry::kDrop;
      if (of_address >= max_per_address_) entry = Entry::kTooMany;
      ++of_address;
    }
    ++open_;
    return entry;
  }

  void Leave(const std::string& address) {
    const std::lock_guard<std::mutex> lock(mutex_);
    --open_;
    if (!CountsAddresses()) return;
    const auto found = by_address_.find(address);
    if (found != by_address_.end() && --found->second == 0) by_address_.erase(found);
  }

  uint32_t open() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return open_;
  }

 private:
  // Connections that are let in only to be told why they are not served.
  static constexpr uint32_t kRefusals = 64;
  static constexpr uint32_t kRefusalsPerAddress = 4;
  bool CountsAddresses() const { return max_per_address_ < max_connections_; }

  const uint32_t max_connections_;
  const uint32_t max_per_address_;
  std::mutex mutex_;
  uint32_t open_ = 0;
  std::unordered_map<std::string, uint32_t> by_address_;
};

}  // namespace till::http
