// Any bytes as a map, and any code behind it: refused, or predictions are the same for every cutting at words and
// change nothing but whole words. Input: u8 map length / 4, the map, then code.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "delta/mips/predictor.h"

using namespace till;
using namespace till::delta;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const ByteView input = std::as_bytes(std::span(data, size)).subspan(1);
  const ByteView plain = input.first(std::min<size_t>(data[0] * size_t{4}, input.size()));
  const auto map = MipsMap::Parse(plain);
  if (!map.ok() || map->region_count() == 0) return 0;
  const ByteView code = input.subspan(plain.size());
  for (size_t region = 0; region < map->region_count(); ++region) {
    Bytes whole(code.begin(), code.end());
    Bytes parts = whole;
    MipsPredictor predictor(*map);
    predictor.Start(region, 2);
    predictor.Predict(whole);
    predictor.Start(region, 2);
    const size_t head = std::min<size_t>(6, parts.size());
    predictor.Predict(MutableByteView(parts).first(head));
    predictor.Predict(MutableByteView(parts).subspan(head));
    if (whole != parts) abort();
    if (whole.size() >= 2 && !std::equal(whole.begin(), whole.begin() + 2, code.begin())) abort();
  }
  return 0;
}
