#include "core/io.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace till {
namespace {

// Gives `step` bytes a call, and fails at call number `fail_at`.
class FaultySource : public Source {
 public:
  FaultySource(ByteView bytes, size_t step, int fail_at) : bytes_(bytes), step_(step), fail_at_(fail_at) {}
  Result<size_t> ReadAt(uint64_t offset, MutableByteView out) override {
    if (fail_at_-- == 0) return Error{ErrorCode::kIo, "pulled", 5};
    return MemorySource(bytes_).ReadAt(offset, out.first(std::min(step_, out.size())));
  }
  uint64_t size() const override { return bytes_.size(); }

 private:
  ByteView bytes_;
  size_t step_;
  int fail_at_;
};

TEST(ReadFully, GathersShortReads) {
  for (const size_t step : {size_t{1}, size_t{2}, size_t{3}, size_t{10}}) {
    FaultySource source(AsBytes("0123456789"), step, -1);
    Bytes out(6);
    ASSERT_TRUE(ReadFully(source, 2, out).ok());
    EXPECT_EQ(AsText(out), "234567");
    EXPECT_EQ(ReadFully(source, 5, out).error().detail, 10U);
  }
}

// covers F05
TEST(Copy, FailsAtTheNthFailureWhereverItIs) {
  const std::string text(1000, 'x');
  for (int n = 0;; ++n) {
    FaultySource source(AsBytes(text), 100, n);
    MemorySink sink(10'000);
    const Result<uint64_t> copied = Copy(source, sink);
    if (copied.ok()) {
      EXPECT_EQ(n, 11);  // ten pieces and the end
      EXPECT_EQ(*copied, text.size());
      EXPECT_EQ(AsText(sink.bytes()), text);
      return;
    }
    EXPECT_EQ(copied.error().code, ErrorCode::kIo);
    EXPECT_EQ(sink.bytes().size(), static_cast<size_t>(n) * 100);
  }
}

TEST(MemorySink, StopsAtItsLimit) {
  MemorySink sink(4);
  EXPECT_TRUE(sink.Write(AsBytes("abc")).ok());
  EXPECT_EQ(sink.Write(AsBytes("de")).error().code, ErrorCode::kLimit);
  EXPECT_TRUE(sink.Write(AsBytes("d")).ok());
  EXPECT_TRUE(sink.Write({}).ok());
  EXPECT_EQ(sink.Write(AsBytes("e")).error().code, ErrorCode::kLimit);
  EXPECT_TRUE(sink.Finish().ok());
  EXPECT_EQ(AsText(sink.bytes()), "abcd");
}

TEST(MemorySource, EndsAtItsEnd) {
  MemorySource source(AsBytes("abc"));
  Bytes out(2);
  EXPECT_EQ(*source.ReadAt(2, out), 1U);
  EXPECT_EQ(*source.ReadAt(3, out), 0U);
  EXPECT_EQ(*source.ReadAt(UINT64_MAX, out), 0U);
  EXPECT_EQ(*source.ReadAt(0, {}), 0U);
}

}  // namespace
}  // namespace till
