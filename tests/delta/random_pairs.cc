#include "tests/delta/random_pairs.h"

#include <algorithm>

#include "tests/delta/craft.h"

namespace till::delta::testing {
namespace {

class Dice {
 public:
  explicit Dice(uint64_t seed) : state_(seed * 0x9E3779B97F4A7C15ull + 1) {}
  uint64_t Roll(uint64_t sides) {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return sides == 0 ? 0 : (state_ >> 11) % sides;
  }

 private:
  uint64_t state_;
};

// Words from a small vocabulary, runs, and noise: as compressible as programs and text are.
Bytes Structured(Dice& dice, size_t count) {
  Bytes bytes;
  while (bytes.size() < count) {
    const size_t length = 1 + dice.Roll(400);
    if (dice.Roll(3) == 0) {
      const Bytes noise = Noise(length, dice.Roll(1 << 20));
      bytes.insert(bytes.end(), noise.begin(), noise.end());
    } else if (dice.Roll(4) == 0) {
      bytes.insert(bytes.end(), length, static_cast<std::byte>(dice.Roll(3)));
    } else {
      const Bytes word = Noise(4, dice.Roll(50));
      for (size_t i = 0; i < length; ++i) bytes.push_back(word[i % 4]);
    }
  }
  bytes.resize(count);
  return bytes;
}

void Mutate(Dice& dice, Bytes& bytes) {
  if (bytes.empty()) return;
  const auto at = static_cast<ptrdiff_t>(dice.Roll(bytes.size()));
  const auto room = static_cast<ptrdiff_t>(bytes.size()) - at;
  const ptrdiff_t length = std::min(1 + static_cast<ptrdiff_t>(dice.Roll(dice.Roll(5) == 0 ? 20'000 : 50)), room);
  const auto somewhere = [&] { return bytes.begin() + static_cast<ptrdiff_t>(dice.Roll(bytes.size() + 1)); };
  const auto begin = bytes.begin() + at;
  switch (dice.Roll(5)) {
    case 0:
      for (ptrdiff_t i = 0; i < length; i += 1 + static_cast<ptrdiff_t>(dice.Roll(12))) {
        begin[i] ^= static_cast<std::byte>(dice.Roll(256));
      }
      break;
    case 1:
      bytes.erase(begin, begin + length);
      break;
    case 2: {
      const Bytes fresh = Structured(dice, static_cast<size_t>(length));
      bytes.insert(begin, fresh.begin(), fresh.end());
      break;
    }
    case 3: {
      const Bytes moved(begin, begin + length);
      bytes.erase(begin, begin + length);
      bytes.insert(somewhere(), moved.begin(), moved.end());
      break;
    }
    default: {
      const Bytes copied(begin, begin + length);
      bytes.insert(somewhere(), copied.begin(), copied.end());
    }
  }
}

}  // namespace

Pair RandomPair(uint64_t seed, size_t about_bytes) {
  Dice dice(seed + 1);
  Pair pair;
  pair.base = Structured(dice, dice.Roll(about_bytes) + 1);
  pair.target = pair.base;
  switch (seed % 40) {
    case 1:
      pair.base.clear();
      return pair;
    case 6:
      pair.target.clear();
      return pair;
    case 11:
      return pair;
    case 16:
      pair.target = {std::byte{1}};
      return pair;
    case 21:
      pair.target = Noise(about_bytes, seed);
      return pair;
    case 26:
      pair.base.assign(about_bytes, std::byte{0});
      pair.target.assign(about_bytes * 2, std::byte{0});
      return pair;
    case 31:
      pair.base = {std::byte{1}};
      return pair;
    case 36:
      pair.base.clear();
      pair.target.clear();
      return pair;
    default:
      break;
  }
  for (uint64_t left = 1 + dice.Roll(30); left > 0; --left) Mutate(dice, pair.target);
  return pair;
}

}  // namespace till::delta::testing
