// What the edge's tests share: folders that vanish, payloads with their chunk-hash list, clocks.
#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "cdn-edge/object.h"
#include "core/bytes.h"
#include "core/clock.h"

namespace till::edge::testing {

class TempFolder {
 public:
  TempFolder();
  ~TempFolder();
  TempFolder(const TempFolder&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

class FakeClock : public Clock {
 public:
  int64_t UnixMs() const override { return unix_ms; }
  int64_t MonotonicMs() const override { return monotonic_ms; }
  void SleepMs(int64_t ms) override { monotonic_ms += ms; }
  std::atomic<int64_t> unix_ms{1'790'000'000'000};
  std::atomic<int64_t> monotonic_ms{5'000'000};
};

struct Payload {
  Bytes bytes;  // list, then body
  Identity identity;
  std::string hex;
  std::string_view text() const { return AsText(bytes); }
};
// A payload with a body of `body_bytes` that do not compress or repeat; the seed tells two apart.
Payload MakePayload(uint64_t body_bytes, unsigned seed, unsigned chunk_log2 = 15);
// The same bytes without a list: an artifact as anybody uploads it.
Payload MakePlain(uint64_t size, unsigned seed);
Bytes Noise(uint64_t size, unsigned seed);

}  // namespace till::edge::testing
