// The C API, through the example that integrators copy from and directly where it must refuse.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "core/file.h"
#include "delta/apply/till_apply.h"
#include "tests/delta/assembler.h"

namespace till::delta {
namespace {

using namespace testing;

class CApi : public ::testing::Test {
 protected:
  void SetUp() override {
    char folder[] = "/tmp/till-c-api-XXXXXX";
    folder_ = mkdtemp(folder);
    all_ = RandomAssembled(12, 300'000, 3);
    Put("base", all_.base);
    Put("payload", all_.file);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  void Put(const std::string& name, const Bytes& bytes) {
    ASSERT_TRUE(WriteFileAtomically(folder_ + "/" + name, bytes).ok());
  }
  std::pair<int, std::string> Example(const std::string& payload) {
    const std::string command =
        "cd " + folder_ + " && exec " TILL_BIN_DIR "/apply_payload " + payload + " base out checkpoint 2>&1";
    FILE* pipe = popen(command.c_str(), "r");
    std::string output;
    char buffer[256];
    while (const size_t got = fread(buffer, 1, sizeof buffer, pipe)) output.append(buffer, got);
    return {WEXITSTATUS(pclose(pipe)), output};
  }

  std::string folder_;
  Assembled all_;
};

TEST_F(CApi, RebuildsAnImageInTheExample) {
  const auto [status, output] = Example("payload");
  ASSERT_EQ(status, 0) << output;
  EXPECT_EQ(ReadBinaryFile(folder_ + "/out", 16 << 20).value(), all_.target);
  EXPECT_FALSE(FileExists(folder_ + "/checkpoint"));
}

TEST_F(CApi, GoesOnFromItsCheckpointInTheExample) {
  bool resumed = false;
  for (size_t part = 1; part < 8; ++part) {
    const ByteView begun = ByteView(all_.file).first(all_.file.size() * part / 8);
    Put("part", Bytes(begun.begin(), begun.end()));
    const auto [status, output] = Example("part");
    ASSERT_EQ(status, 1) << output;
    resumed |= output.find("going on at") != std::string::npos;
  }
  const auto [status, output] = Example("payload");
  ASSERT_EQ(status, 0) << output;
  EXPECT_TRUE(resumed);
  EXPECT_EQ(ReadBinaryFile(folder_ + "/out", 16 << 20).value(), all_.target);
}

TEST_F(CApi, RefusesAnotherBaseInTheExample) {
  Bytes other = all_.base;
  other[other.size() / 2] ^= std::byte{1};
  Put("base", other);
  const auto [status, output] = Example("payload");
  EXPECT_EQ(status, 1);
  EXPECT_NE(output.find("the base is another image"), std::string::npos) << output;
}

struct Memory {
  const Assembled* all;
  Bytes target;
  int fail_write = 0;
};

int ReadBase(void* context, uint64_t offset, void* out, size_t count) {
  const Bytes& base = static_cast<Memory*>(context)->all->base;
  std::copy_n(base.begin() + static_cast<ptrdiff_t>(offset), count, static_cast<std::byte*>(out));
  return 0;
}

int WriteTarget(void* context, const void* bytes, size_t count) {
  auto* const memory = static_cast<Memory*>(context);
  const auto* const from = static_cast<const std::byte*>(bytes);
  memory->target.insert(memory->target.end(), from, from + count);
  return memory->fail_write;
}

TEST_F(CApi, TakesItsMemoryFromTheCallerAndSaysWhatItNeeds) {
  const uint64_t list_bytes = till_apply_list_bytes(all_.file.data());
  const ByteView body = BodyOf(all_.file);
  const size_t chunk_bytes = std::min<size_t>(body.size(), TILL_APPLY_CHUNK_BYTES);
  till_apply_info info;
  ASSERT_EQ(till_apply_inspect(all_.file.data(), list_bytes, body.data(), chunk_bytes, &info).code, TILL_APPLY_OK);
  EXPECT_EQ(info.body_bytes, body.size());
  EXPECT_EQ(info.target_bytes, all_.target.size());
  Memory memory{&all_, {}};
  Bytes arena(info.arena_bytes);
  till_apply_options options = {};
  options.list = all_.file.data();
  options.list_bytes = list_bytes;
  options.chunk = body.data();
  options.chunk_bytes = chunk_bytes;
  options.io = {&memory, ReadBase, WriteTarget, nullptr, nullptr, nullptr};
  options.arena = arena.data();
  options.arena_bytes = arena.size() - 1;
  till_apply* apply = nullptr;
  EXPECT_EQ(till_apply_create(&options, &apply).code, TILL_APPLY_LIMIT);
  EXPECT_EQ(apply, nullptr);
  options.arena_bytes = arena.size();
  ASSERT_EQ(till_apply_create(&options, &apply).code, TILL_APPLY_OK);
  ASSERT_EQ(till_apply_start(apply).code, TILL_APPLY_OK);
  ASSERT_EQ(till_apply_write(apply, body.data(), body.size()).code, TILL_APPLY_OK);
  EXPECT_EQ(till_apply_finish(apply).code, TILL_APPLY_OK);
  EXPECT_EQ(memory.target, all_.target);
  till_apply_destroy(apply);
  // A callback's answer comes back.
  memory.fail_write = 28;
  ASSERT_EQ(till_apply_create(&options, &apply).code, TILL_APPLY_OK);
  ASSERT_EQ(till_apply_start(apply).code, TILL_APPLY_OK);
  const till_apply_result failed = till_apply_write(apply, body.data(), body.size());
  EXPECT_EQ(failed.code, TILL_APPLY_IO);
  EXPECT_EQ(failed.detail, 28u);
  till_apply_destroy(apply);
}

TEST_F(CApi, RefusesWhatIsNoPayload) {
  const Bytes zeros(TILL_APPLY_LIST_START_BYTES);
  EXPECT_EQ(till_apply_list_bytes(zeros.data()), 0u);
  till_apply_info info;
  EXPECT_EQ(till_apply_inspect(zeros.data(), zeros.size(), zeros.data(), zeros.size(), &info).code, TILL_APPLY_CORRUPT);
}

// List and first chunk come from the caller one by one: that they belong together is ours to see.
TEST_F(CApi, RefusesAListAndAChunkThatDoNotBelongTogether) {
  const ByteView body = BodyOf(all_.file);
  const auto list_over = [](ByteView bytes, unsigned chunk_log2) {
    MemorySource source(bytes);
    return ChunkList::Of(source, chunk_log2).value().Encode();
  };
  const auto inspect = [&](const Bytes& list, ByteView chunk) {
    till_apply_info info;
    return till_apply_inspect(list.data(), list.size(), chunk.data(), chunk.size(), &info).code;
  };
  const ByteView first = body.first(std::min<size_t>(body.size(), TILL_APPLY_CHUNK_BYTES));
  ASSERT_EQ(inspect(list_over(body, kChunkLog2), first), TILL_APPLY_OK);
  EXPECT_NE(inspect(list_over(body, kChunkLog2 + 1), body.first(std::min<size_t>(body.size(), 2 << kChunkLog2))),
            TILL_APPLY_OK)
      << "chunks of another size";
  EXPECT_NE(inspect(list_over({}, kChunkLog2), {}), TILL_APPLY_OK) << "no chunk at all";
  Bytes other(first.begin(), first.end());
  other[36] ^= std::byte{1};
  EXPECT_NE(inspect(list_over(body, kChunkLog2), other), TILL_APPLY_OK) << "another first chunk";
  Bytes longer(body.begin(), body.end());
  longer.push_back(std::byte{0});
  EXPECT_NE(inspect(list_over(longer, kChunkLog2), ByteView(longer).first(first.size())), TILL_APPLY_OK)
      << "a body that is longer than its header says";
}

}  // namespace
}  // namespace till::delta
