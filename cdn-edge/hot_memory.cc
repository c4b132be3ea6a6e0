#include "cdn-edge/hot_memory.h"

#include <algorithm>
#include <new>

#include "cdn-edge/object.h"

namespace till::edge {

std::shared_ptr<Window> Window::Make(HotMemory& memory, uint64_t length) {
  std::unique_ptr<std::byte[]> bytes(new (std::nothrow) std::byte[length]);
  if (!bytes) return nullptr;
  return std::shared_ptr<Window>(new Window(memory, std::move(bytes)));
}

Window::~Window() { memory_.bytes_ -= written_; }

void Window::Write(uint64_t offset, ByteView bytes) {
  std::ranges::copy(bytes, bytes_.get() + offset);
  written_ += bytes.size();
  memory_.bytes_ += bytes.size();
}

void HotMemory::Admit(const std::weak_ptr<CacheObject>& object, uint32_t window, bool is_new) {
  if (!is_new && !tight()) return;
  const std::lock_guard lock(mutex_);
  if (is_new) ring_.push_back({object, window});
  for (size_t steps = ring_.size(); steps > 0 && tight(); --steps) {
    Entry entry = std::move(ring_.front());
    ring_.pop_front();
    const std::shared_ptr<CacheObject> owner = entry.object.lock();
    if (owner && !owner->LetGo(entry.window)) ring_.push_back(std::move(entry));
  }
}

}  // namespace till::edge
