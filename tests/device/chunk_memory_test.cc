// What an installation of chunks takes from the heap: no more than the signed entry declares.
#include <gtest/gtest.h>
#include <malloc.h>

#include <cstdlib>
#include <new>

#include "tests/device/chunk_world.h"

namespace {
size_t live_bytes = 0;
size_t peak_bytes = 0;
}  // namespace

void* operator new(size_t size) {
  void* const memory = malloc(size);
  if (memory == nullptr) abort();
  live_bytes += malloc_usable_size(memory);
  peak_bytes = std::max(peak_bytes, live_bytes);
  return memory;
}
void operator delete(void* memory) noexcept {
  live_bytes -= malloc_usable_size(memory);
  free(memory);
}
void operator delete(void* memory, size_t) noexcept { operator delete(memory); }

namespace till::device {
namespace {

// Serves from where it lies, without memory of its own.
class PlainFetcher final : public PayloadFetcher {
 public:
  explicit PlainFetcher(ByteView object) : object_(object) {}
  Result<int> Fetch(const PayloadSource&, const FetchRange& range,
                    const std::function<Status(ByteView)>& on_bytes) override {
    for (uint64_t at = range.from; at < range.from + range.length;) {
      const uint64_t take = std::min<uint64_t>(4096, range.from + range.length - at);
      TILL_TRY(on_bytes(object_.subspan(at, take)));
      at += take;
    }
    return 206;
  }

 private:
  ByteView object_;
};

TEST(ChunkMemory, StaysWithinWhatTheEntryDeclares) {
  ChunkWorld w;
  MemorySource base(w.old_image);
  PlainFetcher fetcher(w.object);
  ChunkWatcher watcher;
  const InstallInput input = w.Input(&base);
  const size_t before = live_bytes;
  peak_bytes = live_bytes;
  const InstallEnd end = Installer(fetcher, watcher).Run(input);
  ASSERT_EQ(end.kind, InstallEnd::Kind::kInstalled);
  // Besides the arena: sources, plans, log lines, OpenSSL's contexts, file names.
  EXPECT_LE(peak_bytes - before, w.plan.arena_bytes + (16 << 10));
  RecordProperty("arena", static_cast<int>(w.plan.arena_bytes));
  RecordProperty("peak", static_cast<int>(peak_bytes - before));
}

}  // namespace
}  // namespace till::device
