// Memory for one coder, handed out front to back from a buffer somebody else owns and taken back all at once, when the
// buffer's owner reuses it. What libzstd, liblzma and zlib get in malloc's place: when it is used up they fail.
#pragma once

#include "core/bytes.h"

namespace till::delta {

class Workspace {
 public:
  explicit Workspace(MutableByteView memory) : rest_(memory), given_(memory.size()) {}

  void* Allocate(size_t count) {
    const size_t skew = (kAlign - reinterpret_cast<uintptr_t>(rest_.data()) % kAlign) % kAlign;
    if (skew > rest_.size() || count > rest_.size() - skew) return nullptr;
    void* const memory = rest_.data() + skew;
    rest_ = rest_.subspan(skew + count);
    return memory;
  }
  size_t used() const { return given_ - rest_.size(); }

 private:
  static constexpr size_t kAlign = 16;
  MutableByteView rest_;
  size_t given_;
};

inline uint8_t* Octets(MutableByteView view) { return reinterpret_cast<uint8_t*>(view.data()); }
inline const uint8_t* Octets(ByteView view) { return reinterpret_cast<const uint8_t*>(view.data()); }

}  // namespace till::delta
