// A chunk object, a slot to put its image together in, and a network that does as the test says.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <random>

#include "delta/chunks/chunk_assembler.h"
#include "delta/chunks/chunk_file.h"
#include "device/installer.h"
#include "tests/device/memory_slot.h"

namespace till::device {

inline Bytes NoiseForTests(uint32_t seed, size_t size) {
  std::mt19937 random(seed);
  Bytes bytes(size);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
  return bytes;
}

class ChunkWorld {
 public:
  ChunkWorld() : ChunkWorld(ChangedImage()) {}
  explicit ChunkWorld(Bytes target) : new_image(std::move(target)) {
    std::string pattern = "/tmp/till-chunks-XXXXXX";
    folder_ = mkdtemp(pattern.data());
    MemorySource image(new_image);
    MemorySink sink(1 << 20);
    const delta::ChunkFile made = delta::WriteChunkFile(image, 10, sink).value();
    object = sink.bytes();
    plan.kind = Plan::Kind::kChunks;
    plan.payload = crypto::Sha256Of(object);
    plan.payload_bytes = object.size();
    plan.chunk_list_bytes = made.list_bytes;
    plan.chunk_list = made.list_sha256;
    plan.index_bytes = made.index_bytes;
    plan.index = made.index_sha256;
    plan.travel_bytes = made.index_bytes;
    plan.arena_bytes = delta::ChunkAssembler::ArenaBytesFor(made.index);
    plan.target = {true, crypto::Sha256Of(new_image), new_image.size(), 1, "2"};
    slot.image_bytes = new_image.size();
    slot.page_bytes = 256;
  }
  ~ChunkWorld() { std::filesystem::remove_all(folder_); }
  ChunkWorld(const ChunkWorld&) = delete;
  ChunkWorld& operator=(const ChunkWorld&) = delete;

  InstallInput Input(Source* base, size_t sources = 1) const {
    InstallInput input;
    input.plan = plan;
    input.base = base;
    input.slot = const_cast<MemorySlot*>(&slot);
    input.head_file = folder_ + "/head";
    input.arena_bytes = plan.arena_bytes;
    for (size_t i = 0; i < sources; i++) input.sources.push_back({"memory:" + std::to_string(i), {}});
    return input;
  }
  void ForgetIndex() const { std::filesystem::remove(folder_ + "/head"); }

  Bytes old_image = NoiseForTests(1, 400'000);
  Bytes new_image;
  Bytes object;
  Plan plan;
  MemorySlot slot{448 << 10};

 private:
  static Bytes ChangedImage() {
    Bytes new_image = NoiseForTests(1, 400'000);
    new_image.insert(new_image.begin() + 50'000, 777, std::byte{9});
    new_image.erase(new_image.begin() + 200'000, new_image.begin() + 203'000);
    for (size_t i = 120'000; i < 320'000; i += 20'000) new_image[i] ^= std::byte{1};
    return new_image;
  }

  std::string folder_;
};

// Serves ranges of an object in small pieces. `before` may change a piece, or end the answer by its Error.
class PieceFetcher final : public PayloadFetcher {
 public:
  struct Piece {
    const PayloadSource& source;
    uint64_t number;  // over all answers, from 1
    Bytes& bytes;
  };
  explicit PieceFetcher(const Bytes& object, std::function<Status(const Piece&)> before = {}, size_t piece_bytes = 700)
      : object_(object), before_(std::move(before)), piece_bytes_(piece_bytes) {}
  Result<int> Fetch(const PayloadSource& source, const FetchRange& range,
                    const std::function<Status(ByteView)>& on_bytes) override {
    ranges.push_back(range);
    const uint64_t end = range.length == 0 ? object_.size() : range.from + range.length;
    for (uint64_t at = range.from; at < end;) {
      const size_t take = std::min<uint64_t>(piece_bytes_, end - at);
      Bytes bytes(object_.begin() + static_cast<ptrdiff_t>(at), object_.begin() + static_cast<ptrdiff_t>(at + take));
      pieces++;
      if (before_) TILL_TRY(before_({source, pieces, bytes}));
      given_bytes += bytes.size();
      at += take;
      TILL_TRY(on_bytes(bytes));
    }
    return 206;
  }
  uint64_t pieces = 0;
  uint64_t given_bytes = 0;
  std::vector<FetchRange> ranges;

 private:
  const Bytes& object_;
  std::function<Status(const Piece&)> before_;
  size_t piece_bytes_;
};

class ChunkWatcher final : public InstallObserver {
 public:
  Status OnCheckpoint(const delta::Checkpoint& at, uint64_t received) override {
    checkpoint = at;
    checkpoints++;
    return OnBytes(received);
  }
  Status OnBytes(uint64_t received) override {
    EXPECT_GE(received, received_bytes) << "bytes count once";
    received_bytes = received;
    if (++calls == stop_at) return Error{stop_with, "the test"};
    return Ok();
  }
  std::optional<InstallEnd> OnPlanned(uint64_t travel_bytes) override {
    planned.push_back(travel_bytes);
    return end_at_plan;
  }
  delta::Checkpoint checkpoint;
  uint64_t checkpoints = 0;
  uint64_t received_bytes = 0;
  uint64_t calls = 0;
  uint64_t stop_at = 0;
  ErrorCode stop_with = ErrorCode::kUnavailable;
  std::vector<uint64_t> planned;
  std::optional<InstallEnd> end_at_plan;
};

}  // namespace till::device
