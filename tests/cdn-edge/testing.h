// What the edge's tests share: payloads with their chunk-hash list.
#pragma once

#include <string>
#include <vector>

#include "cdn-edge/object.h"
#include "core/bytes.h"
#include "tests/support/temp_folder.h"
#include "tests/support/test_clock.h"

namespace till::edge::testing {

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
