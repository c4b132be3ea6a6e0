// Chunks into the spare slot: any base, any cut, any liar. covers S04 S05 S16 S17 F01
#include "device/chunk_install.h"

#include <gtest/gtest.h>

#include "tests/device/chunk_world.h"

namespace till::device {
namespace {

using Kind = InstallEnd::Kind;

std::string CodeOf(const InstallEnd& end) { return end.refusal.fault ? end.refusal.fault->code : ""; }

InstallEnd Install(PayloadFetcher& fetcher, ChunkWatcher& watcher, const InstallInput& input) {
  return Installer(fetcher, watcher).Run(input);
}

TEST(ChunkInstall, FetchesFromAnyBaseOnlyWhatItLacksAndSaysBeforehandHowMuch) {
  ChunkWorld w;
  const Bytes nothing_in_common = NoiseForTests(9, 300'000);
  Bytes longer = w.old_image;  // as a whole slot behind an image of unknown length
  longer.resize(longer.size() + 60'000, std::byte{0xff});
  const struct {
    const char* name;
    const Bytes* base;
    uint64_t at_most, at_least;
  } rows[] = {{"an older image", &w.old_image, 60'000, 10'000},
              {"a whole slot", &longer, 60'000, 10'000},
              {"the image itself", &w.new_image, 0, 0},
              {"another one", &nothing_in_common, w.new_image.size(), w.new_image.size()},
              {"nothing", nullptr, w.new_image.size(), w.new_image.size()}};
  for (const auto& row : rows) {
    SCOPED_TRACE(row.name);
    w.ForgetIndex();
    w.slot.LosePower();
    MemorySource base(row.base ? ByteView(*row.base) : ByteView());
    PieceFetcher fetcher(w.object);
    ChunkWatcher watcher;
    const InstallEnd end = Install(fetcher, watcher, w.Input(row.base ? &base : nullptr));
    ASSERT_EQ(end.kind, Kind::kInstalled) << CodeOf(end);
    EXPECT_TRUE(w.slot.Holds(w.new_image));
    const uint64_t pack_bytes = fetcher.given_bytes - w.plan.index_bytes;
    EXPECT_LE(pack_bytes, row.at_most);
    EXPECT_GE(pack_bytes, row.at_least);
    EXPECT_EQ(end.received_bytes, fetcher.given_bytes) << "nothing comes twice";
    EXPECT_EQ(watcher.planned, std::vector<uint64_t>{fetcher.given_bytes});
    for (size_t i = 1; i < fetcher.ranges.size(); i++) {
      const FetchRange& before = fetcher.ranges[i - 1];
      EXPECT_GE(fetcher.ranges[i].from, before.from + before.length + (i > 1 ? 2048 : 0)) << "merged, in order";
    }
  }
}

TEST(ChunkInstall, FetchesEachMissingChunkOnceWhereTheSlotCanBeReadBack) {
  Bytes image;
  const Bytes piece = NoiseForTests(3, 80'000);
  for (int i = 0; i < 4; i++) image.insert(image.end(), piece.begin(), piece.end());
  image.resize(image.size() + 60'000, std::byte{0xff});
  for (const bool reads_back : {true, false}) {
    ChunkWorld w(image);
    w.slot.can_be_read = reads_back;
    PieceFetcher fetcher(w.object);
    ChunkWatcher watcher;
    const InstallEnd end = Install(fetcher, watcher, w.Input(nullptr));
    ASSERT_EQ(end.kind, Kind::kInstalled) << CodeOf(end);
    EXPECT_TRUE(w.slot.Holds(image));
    EXPECT_EQ(watcher.planned, std::vector<uint64_t>{fetcher.given_bytes});
    const uint64_t pack_bytes = fetcher.given_bytes - w.plan.index_bytes;
    EXPECT_LE(pack_bytes, (reads_back ? 1 : 4) * 80'000 + 5 * 4096u);
    EXPECT_GE(pack_bytes, (reads_back ? 1 : 4) * 70'000u);
  }
}

TEST(ChunkInstall, EndsBeforeTheFirstChunkWhenTheObserverDoesNotWantSoMuch) {
  ChunkWorld w;
  PieceFetcher fetcher(w.object);
  ChunkWatcher watcher;
  watcher.end_at_plan = InstallEnd{};
  watcher.end_at_plan->kind = Kind::kCanceled;
  EXPECT_EQ(Install(fetcher, watcher, w.Input(nullptr)).kind, Kind::kCanceled);
  EXPECT_EQ(fetcher.given_bytes, w.plan.index_bytes);
  EXPECT_FALSE(w.slot.Holds(ByteView(w.new_image).first(4096)));
}

// The connection breaks behind every piece: once, and then whenever a piece came.
TEST(ChunkInstall, GoesOnWhereverTheLinkBreaks) {
  ChunkWorld w;
  for (uint64_t n = 1;; n++) {
    ASSERT_LT(n, 10'000u);
    w.ForgetIndex();
    MemorySource base(w.old_image);
    PieceFetcher fetcher(w.object, [&](const PieceFetcher::Piece& piece) -> Status {
      if (piece.number == n) return Error{ErrorCode::kUnavailable, "broken"};
      return Ok();
    });
    ChunkWatcher watcher;
    const InstallEnd end = Install(fetcher, watcher, w.Input(&base, 2));
    ASSERT_EQ(end.kind, Kind::kInstalled) << "piece " << n << " " << CodeOf(end);
    ASSERT_TRUE(w.slot.Holds(w.new_image)) << n;
    ASSERT_EQ(end.received_bytes, fetcher.given_bytes) << "a cut costs nothing within one run";
    if (fetcher.pieces < n) break;
  }
}

// The power goes at the n-th piece, for every n, and what was not synced is lost; then the process is killed at the
// n-th piece once more.
TEST(ChunkInstall, GoesOnAfterAPowerCutAtAnyPiece) {
  ChunkWorld w;
  MemorySource base(w.old_image);
  for (uint64_t n = 1;; n++) {
    ASSERT_LT(n, 10'000u);
    w.ForgetIndex();
    ChunkWatcher first, second, third;
    delta::Checkpoint in_the_journal;  // nothing is saved any more once the power went
    PieceFetcher power(w.object, [&](const PieceFetcher::Piece& piece) -> Status {
      in_the_journal = first.checkpoint;
      if (piece.number != n) return Ok();
      w.slot.LosePower();
      return Error{ErrorCode::kCanceled, "power"};
    });
    InstallEnd end = Install(power, first, w.Input(&base));
    if (end.kind == Kind::kInstalled) break;
    PieceFetcher killed(w.object, [&](const PieceFetcher::Piece& piece) -> Status {
      if (piece.number == n) return Error{ErrorCode::kCanceled, "kill -9"};
      return Ok();
    });
    InstallInput again = w.Input(&base);
    again.checkpoint = in_the_journal;
    end = Install(killed, second, again);
    if (end.kind == Kind::kInterrupted) {
      again.checkpoint = second.checkpoint;
      end = Install(killed, third, again);
    }
    ASSERT_EQ(end.kind, Kind::kInstalled) << "piece " << n << " " << CodeOf(end);
    ASSERT_TRUE(w.slot.Holds(w.new_image)) << n;
    for (const uint64_t planned : second.planned)
      ASSERT_EQ(end.received_bytes, planned) << "distinct bytes, cut at " << n;
  }
}

// covers S17
TEST(ChunkInstall, NeverCallsAnImageInstalledWhoseBaseLiedAndFetchesWhatItNoLongerHolds) {
  ChunkWorld w;
  uint64_t undisturbed = 0;
  for (uint64_t n = 0;; n++) {
    ASSERT_LT(n, 10'000u);
    ChangingBase base(w.old_image, n, ChangingBase::Lasts::kOnce);
    PieceFetcher fetcher(w.object);
    ChunkWatcher watcher;
    const InstallEnd end = Install(fetcher, watcher, w.Input(&base));
    ASSERT_EQ(end.kind, Kind::kInstalled) << "read " << n << " " << CodeOf(end);
    ASSERT_TRUE(w.slot.Holds(w.new_image)) << n;
    ASSERT_EQ(watcher.planned.back(), end.received_bytes) << "what is needed more is planned anew";
    if (n == 0) undisturbed = base.reads;
    if (n > undisturbed) break;
  }
}

// covers S16
TEST(ChunkInstall, AsksAnotherSourceForAWrongPieceAndForNoMoreThanItsChunk) {
  ChunkWorld w;
  for (uint64_t n = 1;; n++) {
    ASSERT_LT(n, 10'000u);
    w.ForgetIndex();
    MemorySource base(w.old_image);
    PieceFetcher fetcher(w.object, [&](const PieceFetcher::Piece& piece) -> Status {
      if (piece.number == n) piece.bytes[piece.bytes.size() / 2] ^= std::byte{1};
      return Ok();
    });
    ChunkWatcher watcher;
    const InstallEnd end = Install(fetcher, watcher, w.Input(&base, 2));
    ASSERT_EQ(end.kind, Kind::kInstalled) << "piece " << n << " " << CodeOf(end);
    ASSERT_TRUE(w.slot.Holds(w.new_image)) << n;
    ASSERT_LE(fetcher.given_bytes, end.received_bytes + std::max<uint64_t>(w.plan.index_bytes, 4096 + 700)) << n;
    if (fetcher.pieces < n) break;
  }
}

// covers S16 S04
TEST(ChunkInstall, RefusesSourcesThatAlwaysLieAndHoldsOneThatDoesNot) {
  ChunkWorld w;
  const auto lies = [&](const PieceFetcher::Piece& piece) -> Status {
    if (piece.source.url != "memory:2") piece.bytes.back() ^= std::byte{1};
    return Ok();
  };
  MemorySource base(w.old_image);
  PieceFetcher liars(w.object, lies);
  ChunkWatcher watcher;
  const InstallEnd refused = Install(liars, watcher, w.Input(&base, 2));
  ASSERT_EQ(refused.kind, Kind::kRefused);
  EXPECT_EQ(CodeOf(refused), "T2023");
  EXPECT_EQ(liars.ranges.size(), 2u) << "each is asked once";
  PieceFetcher one_does_not(w.object, lies);
  ChunkWatcher other;
  EXPECT_EQ(Install(one_does_not, other, w.Input(&base, 3)).kind, Kind::kInstalled);
  EXPECT_TRUE(w.slot.Holds(w.new_image));
}

// covers S16
TEST(ChunkInstall, RefusesMoreBytesThanWereAskedFor) {
  ChunkWorld w;
  MemorySource base(w.old_image);
  PieceFetcher fetcher(w.object, [&](const PieceFetcher::Piece& piece) -> Status {
    piece.bytes.resize(piece.bytes.size() + 2'000'000);
    return Ok();
  });
  ChunkWatcher watcher;
  const InstallEnd end = Install(fetcher, watcher, w.Input(&base));
  ASSERT_EQ(end.kind, Kind::kRefused);
  EXPECT_EQ(CodeOf(end), "T2023");
}

// covers S05
TEST(ChunkInstall, RefusesAnIndexThatIsSignedAndHostile) {
  ChunkWorld w;
  const Bytes good(w.object.begin() + static_cast<ptrdiff_t>(w.plan.chunk_list_bytes),
                   w.object.begin() + static_cast<ptrdiff_t>(w.plan.chunk_list_bytes + w.plan.index_bytes));
  const auto with = [&](size_t at, uint8_t value) {
    Bytes bytes = good;
    bytes[at] = std::byte{value};
    return bytes;
  };
  Bytes more = good;
  more.push_back(std::byte{0});
  const struct {
    const char* name;
    Bytes index;
    const char* code;
  } rows[] = {{"no magic", with(0, 'X'), "T2024"},
              {"a later version", with(4, 9), "T2019"},
              {"chunks of 1 GiB", with(6, 30), "T2024"},
              {"an image of 2^56 bytes", with(15, 0xff), "T2024"},
              {"2^56 chunks", with(23, 0xff), "T2024"},
              {"a chunk of nothing", with(56, 0), "T2024"},
              {"another image", with(30, 0x77), "T2024"},
              {"half of it", Bytes(good.begin(), good.begin() + static_cast<ptrdiff_t>(good.size() / 2)), "T2024"},
              {"trailing bytes", more, "T2024"},
              {"nothing but a header", Bytes(good.begin(), good.begin() + 56), "T2024"}};
  for (const auto& row : rows) {
    SCOPED_TRACE(row.name);
    Bytes object(w.object.begin(), w.object.begin() + static_cast<ptrdiff_t>(w.plan.chunk_list_bytes));
    object.insert(object.end(), row.index.begin(), row.index.end());
    object.insert(object.end(), w.new_image.begin(), w.new_image.end());
    InstallInput input = w.Input(nullptr);
    input.plan.index_bytes = row.index.size();
    input.plan.index = crypto::Sha256Of(row.index);
    input.plan.payload_bytes = object.size();
    w.ForgetIndex();
    PieceFetcher fetcher(object);
    ChunkWatcher watcher;
    const InstallEnd end = Install(fetcher, watcher, input);
    ASSERT_EQ(end.kind, Kind::kRefused);
    EXPECT_EQ(CodeOf(end), row.code);
    EXPECT_EQ(fetcher.given_bytes, row.index.size()) << "nothing but the index";
    EXPECT_TRUE(watcher.planned.empty());
  }
}

// Chunks of the right lengths and names, whose image is another than the signed one: found at the end, by the image's
// own hash.
TEST(ChunkInstall, BelievesNothingForAChunksNameAlone) {
  ChunkWorld w;
  Bytes object = w.object;
  const size_t at = w.plan.chunk_list_bytes;
  for (size_t i = 24; i < 56; i++) object[at + i] = std::byte{0x42};  // the index names another image
  InstallInput input = w.Input(nullptr);
  input.plan.index = crypto::Sha256Of(ByteView(object).subspan(at, w.plan.index_bytes));
  std::fill(input.plan.target.sha256.begin(), input.plan.target.sha256.end(), std::byte{0x42});
  PieceFetcher fetcher(object);
  ChunkWatcher watcher;
  const InstallEnd end = Install(fetcher, watcher, input);
  ASSERT_EQ(end.kind, Kind::kRefused);
  EXPECT_EQ(CodeOf(end), "T2024");
}

TEST(ChunkInstall, KeepsToTheMemoryThatIsGrantedAndSigned) {
  ChunkWorld w;
  MemorySource base(w.old_image);
  PieceFetcher fetcher(w.object);
  ChunkWatcher watcher;
  InstallInput little = w.Input(&base);
  little.arena_bytes--;
  EXPECT_EQ(CodeOf(Install(fetcher, watcher, little)), "T2020");
  InstallInput says_less = w.Input(&base);
  says_less.plan.arena_bytes--;
  EXPECT_EQ(CodeOf(Install(fetcher, watcher, says_less)), "T2024");
}

TEST(ChunkInstall, SaysWhoseFaultItWas) {
  ChunkWorld w;
  class BrokenBase final : public Source {
   public:
    Result<size_t> ReadAt(uint64_t, MutableByteView) override { return Error{ErrorCode::kIo, "dead block"}; }
    uint64_t size() const override { return 100'000; }
  } broken;
  PieceFetcher fetcher(w.object);
  ChunkWatcher watcher;
  EXPECT_EQ(CodeOf(Install(fetcher, watcher, w.Input(&broken))), "T2008");
  MemorySource base(w.old_image);
  w.slot.fail_from = 150'000;
  EXPECT_EQ(CodeOf(Install(fetcher, watcher, w.Input(&base))), "T2025");
}

// Whatever the observer says, whenever it says it.
TEST(ChunkInstall, StopsWhenTheObserverSaysSoAndGoesOnLater) {
  ChunkWorld w;
  for (const ErrorCode code : {ErrorCode::kCanceled, ErrorCode::kUnavailable, ErrorCode::kIo}) {
    for (uint64_t n = 1;; n += 7) {
      ASSERT_LT(n, 10'000u);
      MemorySource base(w.old_image);
      PieceFetcher fetcher(w.object);
      ChunkWatcher watcher;
      watcher.stop_at = n;
      watcher.stop_with = code;
      const InstallEnd end = Install(fetcher, watcher, w.Input(&base));
      if (watcher.calls < n) break;
      ASSERT_EQ(end.kind, code == ErrorCode::kCanceled      ? Kind::kCanceled
                          : code == ErrorCode::kUnavailable ? Kind::kInterrupted
                                                            : Kind::kRefused);
      if (code != ErrorCode::kUnavailable) continue;
      InstallInput again = w.Input(&base);
      again.checkpoint = watcher.checkpoint;
      ChunkWatcher second;
      ASSERT_EQ(Install(fetcher, second, again).kind, Kind::kInstalled) << n;
      ASSERT_TRUE(w.slot.Holds(w.new_image)) << n;
    }
  }
}

}  // namespace
}  // namespace till::device
