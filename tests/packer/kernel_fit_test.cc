// A packed kernel: its frames open again as they were, and a release of it costs what changed.
#include <gtest/gtest.h>

#include <algorithm>

#include "delta/apply/payload_file.h"
#include "delta/container/expanded_image.h"
#include "delta/diff/diff.h"
#include "packer/kernel_fit.h"

namespace till::packer {
namespace {

// Words that look like code: few forms, small fields.
PlainKernel Kernel() {
  PlainKernel kernel{{}, 0x80000000, 0x80000400, 7, "test kernel"};
  uint32_t state = 1;
  while (kernel.code.size() < 3 * kKernelFrameBytes + 1000) {
    state = state * 1664525 + 1013904223;
    const uint32_t word = 0x24420000 | (state >> 20 & 0xff) | (state >> 13 & 0x7) << 21;
    for (unsigned i = 0; i < 4; ++i) kernel.code.push_back(static_cast<std::byte>(word >> 8 * i));
  }
  kernel.code.resize(kernel.code.size() + kKernelFrameBytes);  // zeros, as a kernel's end has them
  return kernel;
}

TEST(KernelFit, OpensAgainAsTheKernelItWasMadeFrom) {
  const PlainKernel kernel = Kernel();
  const PackedKernel packed = PackKernel(kernel).value();
  EXPECT_EQ(packed.frames, 5u);
  EXPECT_GE(packed.padded_frames, 1u);
  delta::ExpandedImage image = delta::ExpandedImage::Open(packed.fit);
  ASSERT_EQ(image.files().size(), 1u);
  Bytes seen;
  for (const delta::Extent& extent : image.files()[0].extents) {
    ASSERT_EQ(extent.kind, delta::Extent::Kind::kBlock);
    const ByteView plain = image.Plain(extent.block);
    seen.insert(seen.end(), plain.begin(), plain.end());
  }
  EXPECT_EQ(seen, kernel.code);
}

TEST(KernelFit, StoresWhatGetsNoShorter) {
  PlainKernel kernel = Kernel();
  uint64_t state = 1;
  for (size_t i = kKernelFrameBytes; i < 2 * kKernelFrameBytes; ++i) {
    state = state * 6364136223846793005 + 1442695040888963407;
    kernel.code[i] = static_cast<std::byte>(state >> 56);
  }
  const PackedKernel packed = PackKernel(kernel).value();
  EXPECT_EQ(packed.frames, 5u);
  const ByteView noise = ByteView(kernel.code).subspan(kKernelFrameBytes, kKernelFrameBytes);
  EXPECT_NE(std::search(packed.fit.begin(), packed.fit.end(), noise.begin(), noise.end()), packed.fit.end());
}

TEST(KernelFit, IsTheSameEveryTime) { EXPECT_EQ(PackKernel(Kernel())->fit, PackKernel(Kernel())->fit); }

TEST(KernelFit, GivesSmallDeltas) {
  PlainKernel kernel = Kernel();
  const Bytes base = PackKernel(kernel)->fit;
  const Bytes more(40, std::byte{0x42});
  kernel.code.insert(kernel.code.begin() + 300'000, more.begin(), more.end());
  const Bytes target = PackKernel(kernel)->fit;
  const Result<delta::DeltaResult> made = delta::MakeDeltaWithCounts(base, target);
  ASSERT_TRUE(made.ok()) << made.error().what;
  EXPECT_GE(made->counts.remade_blocks, 2u);
  EXPECT_LT(made->payload.size(), 8'000u);
}

TEST(KernelFit, RefusesWhatIsNoUimage) {
  EXPECT_FALSE(ReadUimageKernel({}).ok());
  EXPECT_FALSE(ReadUimageKernel(Bytes(100, std::byte{0})).ok());
}

}  // namespace
}  // namespace till::packer
