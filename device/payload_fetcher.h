// Where payload bytes come from: the network on a terminal, memory in the power-cut proof, which counts them.
//   Errors: kUnavailable (the source ended early: go on from there later), kCanceled (the program shall stop, or the
//   taker's own), kCorrupt and kLimit (it serves something else).
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/http/client.h"

namespace till::device {

struct PayloadSource {
  std::string url;
  std::vector<http::HeaderField> headers;
};

struct FetchRange {
  uint64_t from = 0;
  uint64_t whole_bytes = 0;  // of the payload
  uint64_t length = 0;       // wanted from there; 0: to the end
};

class PayloadFetcher {
 public:
  virtual ~PayloadFetcher() = default;
  // Gives the bytes of the range, in order; answers the HTTP status (nothing came unless 200 or 206).
  virtual Result<int> Fetch(const PayloadSource& source, const FetchRange& range,
                            const std::function<Status(ByteView)>& on_bytes) = 0;
  // Told of body bytes that came and were not of the range: who counts what a link costs counts them too. Its Error
  // ends the transfer. Null: nobody counts.
  void set_on_waste(std::function<Status(uint64_t bytes)> on_waste) { on_waste_ = std::move(on_waste); }

 protected:
  Status Waste(uint64_t bytes) { return on_waste_ ? on_waste_(bytes) : Ok(); }

 private:
  std::function<Status(uint64_t bytes)> on_waste_;
};

}  // namespace till::device
