// Counts every byte that a fetcher's answers bring over the wire, wanted or not, and stops it where the month's budget
// ends (kCanceled).
#pragma once

#include "device/payload_fetcher.h"

namespace till::device {

class MeteredFetcher final : public PayloadFetcher {
 public:
  // Both outlive this. `budget_bytes`: UINT64_MAX for none.
  MeteredFetcher(PayloadFetcher& next, uint64_t& wire_bytes, uint64_t budget_bytes)
      : next_(next), wire_bytes_(wire_bytes), left_bytes_(budget_bytes) {
    next_.set_on_waste([this](uint64_t bytes) { return Count(bytes); });
  }
  ~MeteredFetcher() override { next_.set_on_waste(nullptr); }
  MeteredFetcher(const MeteredFetcher&) = delete;
  MeteredFetcher& operator=(const MeteredFetcher&) = delete;

  Result<int> Fetch(const PayloadSource& source, const FetchRange& range,
                    const std::function<Status(ByteView)>& on_bytes) override {
    return next_.Fetch(source, range, [&](ByteView bytes) -> Status {
      TILL_TRY(Count(bytes.size()));
      return on_bytes(bytes);
    });
  }
  bool used_up() const { return used_up_; }

 private:
  Status Count(uint64_t bytes) {
    wire_bytes_ += bytes;
    used_up_ = used_up_ || bytes > left_bytes_;
    if (used_up_) return Error{ErrorCode::kCanceled, "the data budget is used up"};
    left_bytes_ -= bytes;
    return Ok();
  }

  PayloadFetcher& next_;
  uint64_t& wire_bytes_;
  uint64_t left_bytes_;
  bool used_up_ = false;
};

}  // namespace till::device
