// What the applier takes: nothing but its arena once it was made (malloc and new are counted, in our code and in the
// codecs), and arenas within the bars of the terminal. Runs on mipsel too.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "delta/format/arena.h"
#include "tests/delta/assembler.h"

namespace {
std::atomic<unsigned> allocations{0};
}

// The linker sends every call in this program here (--wrap, whose names these are), those of the static codecs as well.
// NOLINTBEGIN(bugprone-reserved-identifier,readability-identifier-naming)
extern "C" {
void* __real_malloc(size_t size);
void* __real_calloc(size_t count, size_t size);
void* __real_realloc(void* memory, size_t size);
void* __wrap_malloc(size_t size) {
  ++allocations;
  return __real_malloc(size);
}
void* __wrap_calloc(size_t count, size_t size) {
  ++allocations;
  return __real_calloc(count, size);
}
void* __wrap_realloc(void* memory, size_t size) {
  ++allocations;
  return __real_realloc(memory, size);
}
}
// NOLINTEND(bugprone-reserved-identifier,readability-identifier-naming)

void* operator new(size_t size) {
  void* const memory = malloc(size);
  if (memory == nullptr) abort();
  return memory;
}
void* operator new(size_t size, const std::nothrow_t&) noexcept { return malloc(size); }
void operator delete(void* memory) noexcept { free(memory); }
void operator delete(void* memory, size_t) noexcept { free(memory); }

namespace till::delta {
namespace {

using namespace testing;

class FixedTarget final : public TargetWriter {
 public:
  explicit FixedTarget(size_t bytes) : bytes_(bytes) {}
  Status Write(ByteView bytes) override {
    std::copy(bytes.begin(), bytes.end(), bytes_.begin() + static_cast<ptrdiff_t>(written_));
    written_ += bytes.size();
    return Ok();
  }
  uint64_t durable_bytes() const override { return written_; }
  const Bytes& bytes() const { return bytes_; }

 private:
  Bytes bytes_;
  size_t written_ = 0;
};

TEST(ApplierMemory, IsItsArenaAndNothingElseOnceItWasMade) {
  for (uint64_t seed = 200; seed < 230; ++seed) {
    const Assembled all = RandomAssembled(seed, 20'000);
    MemorySource payload(all.file);
    MemorySource base(all.base);
    const PayloadFile opened = OpenPayload(payload).value();
    const VerifiedBase verified = VerifiedBase::Check(&base, opened.header).value();
    FixedTarget target(all.target.size());
    Bytes arena(opened.header.arena_bytes);
    const auto applier = Applier::Create({&opened.chunks, &opened.header, &verified, &target, arena.size(), arena});
    ASSERT_TRUE(applier.ok());
    ASSERT_TRUE((*applier)->Start().ok());
    const unsigned before = allocations;
    const Status written = (*applier)->Write(BodyOf(all.file));
    // (The hash of each chunk takes a few hundred bytes for a moment: OpenSSL's context.)
    EXPECT_LE(allocations - before, opened.chunks.chunk_count()) << "seed " << seed;
    ASSERT_TRUE(written.ok()) << written.error().what;
    ASSERT_TRUE((*applier)->Finish().ok());
    EXPECT_EQ(target.bytes(), all.target);
  }
  EXPECT_GT(allocations, 0u) << "the counter counts";
}

PayloadHeader Typical(uint32_t block_bytes, const std::vector<Recode>& recodes) {
  PayloadHeader h;
  h.minor_version = 2;
  h.kind = PayloadKind::kDelta;
  h.frame_coded_bytes_max = kMaxFrameCodedBytes;
  h.stream_codecs = {CodecBit(Codec::kLzma), CodecBit(Codec::kModel), CodecBit(Codec::kModel)};
  h.window_logs = {15, 0, 0};
  h.map_plain_bytes = 16 << 10;
  h.map_coded_bytes = 8 << 10;
  h.map_codec = Codec::kLzma;
  for (const Recode& recode : recodes) h.recodes[h.recode_count++] = recode;
  h.cache_blocks = 2;
  h.block_plain_bytes_max = block_bytes;
  h.block_coded_bytes_max = static_cast<uint32_t>(CodedBound(block_bytes));
  return h;
}

// delta.md, "Bars": whatever the image's size.
TEST(ApplierMemory, StaysWithinTheBarsOfTheTerminal) {
  const XzParameters openwrt{.preset = 9, .extreme = true, .lc = 0, .lp = 2, .pb = 2, .dictionary = 18};
  const Recode metadata = Recode::Xz({.dictionary = 13});
  EXPECT_LE(ArenaBytesFor(Typical(256 << 10, {Recode::Xz(openwrt), metadata})), 6.5 * (1 << 20));
  const Recode xz_128 = Recode::Xz({.dictionary = 17});
  PayloadHeader small = Typical(128 << 10, {xz_128, metadata});
  small.cache_blocks = 1;  // two are too many with a model
  small.window_logs[kControl] = kMinLzmaWindowLog;
  EXPECT_LE(ArenaBytesFor(small), 4u << 20);
  EXPECT_LE(ArenaBytesFor(Typical(256 << 10, {Recode::Zlib({})})), 4u << 20);
  PayloadHeader none = Typical(256 << 10, {Recode::Xz(openwrt)});
  none.block_coded_bytes_max = 0;  // blocks are opened, none is made
  EXPECT_LE(ArenaBytesFor(none), 2.5 * (1 << 20));
  none = Typical(0, {});
  none.cache_blocks = 0;
  EXPECT_LE(ArenaBytesFor(none), 1u << 20);
}

}  // namespace
}  // namespace till::delta
