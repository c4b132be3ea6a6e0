// `tilld simulate --cut-power-at P%`: on the bench, kills the agent in the middle of a payload as a power cut would,
// and shows that it goes on from there.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "device/runner.h"

namespace till::device {

// Takes the power at a share of the payload; at 100 it only counts.
class CuttingFetcher final : public PayloadFetcher {
 public:
  CuttingFetcher(std::unique_ptr<PayloadFetcher> next, unsigned percent, uint64_t& wire_bytes)
      : next_(std::move(next)), percent_(percent), wire_bytes_(wire_bytes) {}
  Result<int> Fetch(const PayloadSource& source, const FetchRange& range,
                    const std::function<Status(ByteView)>& on_bytes) override;

 private:
  std::unique_ptr<PayloadFetcher> next_;
  unsigned percent_;
  uint64_t& wire_bytes_;
};

struct Simulated {
  bool was_cut = false;                        // false: there was nothing to install, or it ended before the cut
  uint64_t bytes_before = 0, bytes_after = 0;  // over the wire, in the run that was cut and in the one after it
  RunEnd end = RunEnd::kStopped;               // of the second run
  Refusal refusal;                             // what kept that one from its end; without a fault nothing did
};

// `make` makes a Runner's parts; runs once, in a child, until the cut, then once more here.
Result<Simulated> SimulatePowerCut(const Config& config, const std::string& token, SlotId running, unsigned percent,
                                   const std::function<Result<Parts>()>& make);

}  // namespace till::device
