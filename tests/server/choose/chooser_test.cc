// Which payload a terminal gets: the table of journeys.md L1 and features 3 and 7.
#include "server/choose/chooser.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "tests/server/support/release.h"

namespace till::server {
namespace {

const std::string kTarget = HexOf("image 2"), kBase = HexOf("image 1"), kOther = HexOf("image 0");

struct Row {
  const char* name;
  Attributes attributes;
  bool full_allowed = false;
  std::set<std::string> missing;  // payloads the hub does not hold
  std::string offered;
  Choice::Kind kind;
  std::string payload;  // name of the payload chosen
  std::string reason;   // part of it
};

Attributes Says(const std::string& image, const Attributes& more = {}) {
  Attributes attributes{
      {"till.format", "1"}, {"till.image.rootfs", image}, {"till.board", "acme,pos-100"}, {"till.arena_kib", "6656"}};
  for (const auto& [key, value] : more) attributes[key] = value;
  return attributes;
}

TEST(Chooser, DecidesAsTheTableSays) {
  Release release;
  release.AddImage("pos", "2", "rootfs", kTarget, {"acme,pos-100"});
  release.AddPayload("full", kTarget, "", 8000, 1 << 20, 1, "full");
  release.AddPayload("small", kTarget, kBase, 100, 1 << 20, 1, "small");
  release.AddPayload("smaller, format 2", kTarget, kBase, 50, 1 << 20, 2, "smaller");
  release.AddPayload("tiny, 8 MiB arena", kTarget, kBase, 10, 8 << 20, 1, "tiny");
  const ReleaseIndex index = release.Index();
  using enum Choice::Kind;
  const Row rows[] = {
      {"smallest delta that fits", Says(kBase), false, {}, "", kPayload, "small", ""},
      {"a newer format opens a smaller one",
       Says(kBase, {{"till.format", "2"}}),
       false,
       {},
       "",
       kPayload,
       "smaller",
       ""},
      {"a larger arena opens a smaller one",
       Says(kBase, {{"till.arena_kib", "8192"}}),
       false,
       {},
       "",
       kPayload,
       "tiny",
       ""},
      {"full never replaces a delta by itself", Says(kOther), false, {}, "", kNothing, "", "not allowed"},
      {"full where it is allowed", Says(kOther), true, {}, "", kPayload, "full", ""},
      {"the delta also where full is allowed", Says(kBase), true, {}, "", kPayload, "small", ""},
      {"runs it already", Says(kTarget), false, {}, "", kAlreadyRuns, "", ""},
      {"on trial the offer stays", Says(kTarget), false, {}, "small", kPayload, "small", ""},
      {"an offer for another base is dropped", Says(kOther), true, {}, "small", kPayload, "full", ""},
      {"an upper-case hash is the same hash",
       Says([] {
         std::string upper = kBase;
         for (char& c : upper) c = static_cast<char>(toupper(c));
         return upper;
       }()),
       false,
       {},
       "",
       kPayload,
       "small",
       ""},
      {"another board", Says(kBase, {{"till.board", "acme,toaster"}}), true, {}, "", kNothing, "", "not for board"},
      {"arena too small for all", Says(kBase, {{"till.arena_kib", "10"}}), true, {}, "", kNothing, "", "memory"},
      {"format too old for all", Says(kBase, {{"till.format", "0"}}), true, {}, "", kNothing, "", "format"},
      {"a delta that was not uploaded", Says(kBase), false, {"small"}, "", kNothing, "", "not been uploaded"},
      {"no till.format: as uploaded", {{"till.image.rootfs", kBase}}, false, {}, "", kAsUploaded, "", ""},
      {"no till.image: as uploaded", {{"till.format", "1"}}, false, {}, "", kAsUploaded, "", ""},
      {"image of another component: as uploaded",
       {{"till.format", "1"}, {"till.image.kernel", kBase}},
       false,
       {},
       "",
       kAsUploaded,
       "",
       ""},
      {"a stock client", {{"hw", "2"}}, true, {}, "", kAsUploaded, "", ""},
  };
  SoftwareModule module;
  module.metadata = {{"till.target", kTarget, true}};
  for (const Row& row : rows) {
    const Terminal terminal = ReadTerminal(row.attributes);
    const std::string offered = row.offered.empty() ? "" : HexOf(row.offered);
    const ChoiceContext context{index, terminal, row.full_allowed, offered, [&](std::string_view sha256) {
                                  for (const std::string& name : row.missing) {
                                    if (sha256 == HexOf(name)) return false;
                                  }
                                  return true;
                                }};
    const Choice choice = Choose(context, module);
    EXPECT_EQ(choice.kind, row.kind) << row.name << ": " << choice.reason;
    EXPECT_EQ(choice.payload ? choice.payload->sha256 : "", row.payload.empty() ? "" : HexOf(row.payload)) << row.name;
    EXPECT_NE(choice.reason.find(row.reason), std::string::npos) << row.name << ": " << choice.reason;
  }
}

// What stands beside the chunk object, and what the terminal says.
struct ChunkRow {
  const char* name;
  Attributes attributes;
  bool full_allowed = false;
  uint64_t full_bytes = 8000;
  std::set<std::string> missing;
  std::string offered;
  Choice::Kind kind;
  std::string payload;
  std::string reason;
};

// The chunk object has 9000 bytes: 1000 of index, and an image of 8000. Expected to travel: 5000.
TEST(Chooser, TakesChunksWhereNoDeltaFitsAndFullIsNotAllowedOrDearer) {
  using enum Choice::Kind;
  const ChunkRow rows[] = {
      {"a base that no delta knows", Says(kOther), false, 8000, {}, "", kPayload, "chunks", "no delta leads from"},
      {"a terminal that does not know what it runs",
       Says("unknown"),
       false,
       8000,
       {},
       "",
       kPayload,
       "chunks",
       "unknown"},
      {"a delta goes before chunks", Says(kBase), false, 8000, {}, "", kPayload, "delta", ""},
      {"a delta goes before chunks, full allowed", Says(kBase), true, 8000, {}, "", kPayload, "delta", ""},
      {"full is dearer", Says(kOther), true, 5001, {}, "", kPayload, "chunks", "dearer"},
      {"full is cheaper, and allowed", Says(kOther), true, 5000, {}, "", kPayload, "full", ""},
      {"full is cheaper, and not allowed", Says(kOther), false, 10, {}, "", kPayload, "chunks", "not allowed"},
      {"a delta too large for its memory",
       Says(kBase, {{"till.arena_kib", "300"}}),
       false,
       8000,
       {},
       "",
       kPayload,
       "chunks",
       "memory"},
      {"a delta that was not uploaded",
       Says(kBase),
       false,
       8000,
       {"delta"},
       "",
       kPayload,
       "chunks",
       "not been uploaded"},
      {"chunks that were not uploaded",
       Says(kOther),
       false,
       8000,
       {"chunks"},
       "",
       kNothing,
       "",
       "the chunk object has not been uploaded"},
      {"chunks too large for its memory",
       Says(kOther, {{"till.arena_kib", "100"}}),
       false,
       8000,
       {},
       "",
       kNothing,
       "",
       "the chunk object wants"},
      {"not uploaded, and full allowed", Says(kOther), true, 8000, {"chunks"}, "", kPayload, "full", ""},
      {"another board", Says(kOther, {{"till.board", "acme,toaster"}}), false, 8000, {}, "", kNothing, "", "board"},
      {"runs it already", Says(kTarget), false, 8000, {}, "", kAlreadyRuns, "", ""},
      {"on trial the offer stays", Says(kTarget), false, 8000, {}, "chunks", kPayload, "chunks", ""},
      {"chunks that were begun go on, whatever a delta says",
       Says(kBase),
       false,
       8000,
       {},
       "chunks",
       kPayload,
       "chunks",
       ""},
      {"a stock client", {{"hw", "2"}}, false, 8000, {}, "", kAsUploaded, "", ""},
  };
  SoftwareModule module;
  module.metadata = {{"till.target", kTarget, true}};
  for (const ChunkRow& row : rows) {
    Release release;
    release.AddImage("pos", "2", "rootfs", kTarget, {"acme,pos-100"});
    release.AddChunks(kTarget, 1000, 9000, 200 << 10, "chunks");
    release.AddPayload("full", kTarget, "", row.full_bytes, 64 << 10, 1, "full");
    release.AddPayload("delta", kTarget, kBase, 100, 1 << 20, 1, "delta");
    const ReleaseIndex index = release.Index();
    const Terminal terminal = ReadTerminal(row.attributes);
    const auto held = [&](std::string_view sha256) {
      return std::none_of(row.missing.begin(), row.missing.end(),
                          [&](const std::string& name) { return sha256 == HexOf(name); });
    };
    const std::string offered = row.offered.empty() ? "" : HexOf(row.offered);
    const Choice choice = Choose({index, terminal, row.full_allowed, offered, held}, module);
    EXPECT_EQ(choice.kind, row.kind) << row.name << ": " << choice.reason;
    EXPECT_EQ(choice.payload ? choice.payload->sha256 : "", row.payload.empty() ? "" : HexOf(row.payload)) << row.name;
    EXPECT_NE(choice.reason.find(row.reason), std::string::npos) << row.name << ": " << choice.reason;
  }
}

TEST(Chooser, NeedsTheReleaseInTheSignedMetadata) {
  const ReleaseIndex index;
  const Terminal terminal = ReadTerminal(Says(kBase));
  SoftwareModule module;
  module.metadata = {{"till.target", kTarget, true}};
  const Choice choice = Choose({index, terminal, true, "", [](std::string_view) { return true; }}, module);
  EXPECT_EQ(choice.kind, Choice::Kind::kNothing);
  EXPECT_NE(choice.reason.find("publish"), std::string::npos) << choice.reason;
  EXPECT_EQ(Choose({index, terminal, true, "", [](std::string_view) { return true; }}, {}).kind,
            Choice::Kind::kAsUploaded);
}

TEST(ReleaseIndex, LeavesOutWhatItDoesNotUnderstand) {
  Release release;
  release.AddEntry("images/pos/2", "targets", HexOf("a"), json::Value::Object());
  release.AddEntry("images/pos/2/rootfs/more", "targets", HexOf("b"), json::Value::Object());
  release.AddEntry("payloads/pos/2/rootfs/x", "deltas", HexOf("c"), json::Value::Object({{"kind", "magic"}}));
  release.AddEntry("payloads/pos/2/rootfs/y", "deltas", HexOf("d"),
                   json::Value::Object({{"kind", "delta"}, {"target", kTarget}, {"base", "zz"}}));
  release.AddChunks(kTarget, 0, 9000, 1, "chunks without an index");
  release.AddChunks(kTarget, 9000, 9000, 1, "an index larger than its object");
  const ReleaseIndex index = release.Index();
  EXPECT_EQ(index.image_count(), 0u);
  EXPECT_TRUE(index.PayloadsFor(kTarget).empty());
}

}  // namespace
}  // namespace till::server
