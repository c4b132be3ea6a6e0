// Verified bytes in memory. All that an edge sends comes from here, and nothing comes here before its hash matched:
// what the disk holds may rot at any time, so it is read, hashed and kept at once, and a hot chunk costs no second
// look (docs/decisions/0042).
//   A Window is 1 MiB of one object (or its chunk-hash list), filled unit by unit. Whoever sends from it holds it; what
//   is let go of meanwhile lives until then, and counts until then.
//   Let go of: in the order of arrival, those used since the last round spared (CLOCK). Any thread.
#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>

#include "core/bytes.h"

namespace till::edge {

class CacheObject;
class HotMemory;

class Window {
 public:
  static constexpr uint64_t kBytes = 1 << 20;

  // Null when there is no memory. Pages count, and exist, as they are written.
  static std::shared_ptr<Window> Make(HotMemory& memory, uint64_t length);
  ~Window();
  // Once for each part, before anyone is told that it is there.
  void Write(uint64_t offset, ByteView bytes);
  ByteView View(uint64_t offset, uint64_t length) const { return ByteView(bytes_.get() + offset, length); }

  bool used = false;  // since the last round; with the object's lock

 private:
  Window(HotMemory& memory, std::unique_ptr<std::byte[]> bytes) : memory_(memory), bytes_(std::move(bytes)) {}
  HotMemory& memory_;
  const std::unique_ptr<std::byte[]> bytes_;
  std::atomic<uint64_t> written_{0};
};

class HotMemory {
 public:
  explicit HotMemory(uint64_t max_bytes) : max_bytes_(max_bytes) {}

  // A window that is new, or was filled further: lets go of others while there is too much.
  void Admit(const std::weak_ptr<CacheObject>& object, uint32_t window, bool is_new);
  uint64_t bytes() const { return bytes_; }
  uint64_t max_bytes() const { return max_bytes_; }
  // More is held than should be, by those who send it: take copies of little instead of holding windows.
  bool tight() const { return bytes_ > max_bytes_; }

 private:
  friend class Window;
  struct Entry {
    std::weak_ptr<CacheObject> object;
    uint32_t window;
  };

  const uint64_t max_bytes_;
  std::atomic<uint64_t> bytes_{0};
  std::mutex mutex_;  // before any object's
  std::deque<Entry> ring_;
};

}  // namespace till::edge
