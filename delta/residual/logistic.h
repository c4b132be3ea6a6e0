// The logistic curve in integers: how predictions are averaged (Mahoney, "Adaptive Weighing of Context Models for
// Lossless Data Compression", 2005). The tables are made from 33 numbers by the compiler: the same on every machine.
//   A probability is that of a 1, in 1/65536. A stretched one is 256 * ln(p / (1 - p)), from -2047 to 2047.
#pragma once

#include <array>
#include <cstdint>

namespace till::delta {

inline constexpr int kStretchLimit = 2047;

namespace internal {

// 65536 / (1 + e^-x) for x = -8, -7.5, ... 8.
inline constexpr std::array<uint16_t, 33> kLogistic = {22,    36,    60,    98,    162,   267,   439,   721,   1179,
                                                       1921,  3108,  4972,  7811,  11936, 17625, 24743, 32768, 40793,
                                                       47911, 53600, 57725, 60564, 62428, 63615, 64357, 64815, 65097,
                                                       65269, 65374, 65438, 65476, 65500, 65514};

constexpr std::array<uint16_t, 4096> MakeSquashTable() {
  std::array<uint16_t, 4096> table{};
  for (int i = 0; i < 4096; ++i) {
    const int at = i == 0 ? 1 : i;  // -2048 is never asked for
    const int knot = at >> 7;
    const int part = at & 127;
    table[i] = static_cast<uint16_t>((kLogistic[knot] * (128 - part) + kLogistic[knot + 1] * part + 64) >> 7);
  }
  return table;
}

// The inverse: the largest x whose probability, in 1/4096, is not above the index.
constexpr std::array<int16_t, 4096> MakeStretchTable(const std::array<uint16_t, 4096>& squash) {
  std::array<int16_t, 4096> table{};
  int next = 0;
  for (int x = -kStretchLimit; x <= kStretchLimit; ++x) {
    const int probability = squash[x + 2048] >> 4;
    for (; next <= probability; ++next) table[next] = static_cast<int16_t>(x);
  }
  for (; next < 4096; ++next) table[next] = kStretchLimit;
  return table;
}

inline constexpr std::array<uint16_t, 4096> kSquash = MakeSquashTable();
inline constexpr std::array<int16_t, 4096> kStretch = MakeStretchTable(kSquash);

}  // namespace internal

inline int ClampStretched(int64_t x) {
  return x > kStretchLimit ? kStretchLimit : x < -kStretchLimit ? -kStretchLimit : static_cast<int>(x);
}
inline uint32_t Squash(int stretched) { return internal::kSquash[stretched + 2048]; }
inline int Stretch(uint32_t probability) { return internal::kStretch[probability >> 4]; }

}  // namespace till::delta
