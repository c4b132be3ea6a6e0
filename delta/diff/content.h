// The bytes of a file, a table or a set of leftovers, one after the other, and where each of them lies in its image.
//   Holds a copy of the bytes. Values; no sharing.
#pragma once

#include <vector>

#include "delta/container/expanded_image.h"
#include "delta/diff/address.h"

namespace till::delta {

struct Stretch {
  uint64_t begin = 0;  // in Content::bytes
  uint64_t length = 0;
  Address address;
  uint64_t end() const { return begin + length; }
};

class Content {
 public:
  void Append(ByteView bytes, Address address);
  // All of a file; blocks that do not decode and holes are left out.
  static Content OfFile(ExpandedImage& image, const ContainedFile& file);

  ByteView bytes() const { return bytes_; }
  const std::vector<Stretch>& stretches() const { return stretches_; }
  uint64_t size() const { return bytes_.size(); }
  // The stretch that holds bytes()[at].
  const Stretch& StretchAt(uint64_t at) const;

 private:
  Bytes bytes_;
  std::vector<Stretch> stretches_;
};

// target[+length) resembles base[+length), neither crosses the end of a block.
struct Alignment {
  Address target;
  Address base;
  uint64_t length = 0;
};

// Cuts base[base_at, +length) ~ target[target_at, +length) at the ends of stretches and appends the parts.
void AppendAlignments(const Content& base, uint64_t base_at, const Content& target, uint64_t target_at, uint64_t length,
                      std::vector<Alignment>& out);

}  // namespace till::delta
