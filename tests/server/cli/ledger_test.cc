#include "server/cli/demo/ledger.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "core/file.h"

namespace till::cli::demo {
namespace {

std::string WriteLog(const std::string& text) {
  std::string path = testing::TempDir() + "/ledger-" + std::to_string(getpid()) + ".log";
  EXPECT_TRUE(WriteFileAtomically(path, AsBytes(text)).ok());
  return path;
}

std::string Line(const char* terminal, const char* object, int first, int sent) {
  return std::string("{\"agent\":\"tilld/0.1.0 (") + terminal + ")\",\"object\":\"" + object +
         "\",\"first\":" + std::to_string(first) + ",\"sent\":" + std::to_string(sent) + "}\n";
}

TEST(Ledger, CountsBytesSentTwiceToOneTerminalAsRepeats) {
  LedgerBook book;
  ASSERT_TRUE(book.AddLog(WriteLog(Line("pos-1", "x", 0, 100) + Line("pos-1", "x", 60, 100)), "edge-1").ok());
  EXPECT_EQ(book.Total().sent_bytes, 200u);
  EXPECT_EQ(book.Total().distinct_bytes, 160u);
  EXPECT_EQ(book.Total().repeated_bytes(), 40u);
}

TEST(Ledger, KeepsTerminalsAndPayloadsApart) {
  LedgerBook book;
  const std::string log = Line("pos-1", "x", 0, 100) + Line("pos-2", "x", 0, 100) + Line("pos-1", "y", 0, 100);
  ASSERT_TRUE(book.AddLog(WriteLog(log), "edge-1").ok());
  EXPECT_EQ(book.Total().repeated_bytes(), 0u);
}

TEST(Ledger, SeesWhoWentOnFromAnotherServer) {
  LedgerBook book;
  ASSERT_TRUE(book.AddLog(WriteLog(Line("pos-1", "x", 0, 50) + Line("pos-2", "x", 0, 100)), "edge-1").ok());
  ASSERT_TRUE(book.AddLog(WriteLog(Line("pos-1", "x", 50, 50)), "edge-2").ok());
  EXPECT_TRUE(book.Served("edge-2", "pos-1"));
  EXPECT_FALSE(book.Served("edge-2", "pos-2"));
  EXPECT_EQ(book.Total().repeated_bytes(), 0u);
}

TEST(Ledger, IgnoresOtherAgentsAndRefusesDamagedLines) {
  LedgerBook book;
  ASSERT_TRUE(book.AddLog(WriteLog(R"({"agent":"curl/7","object":"x","first":0,"sent":9})"
                                   "\n"),
                          "edge-1")
                  .ok());
  EXPECT_EQ(book.Total().sent_bytes, 0u);
  EXPECT_EQ(book.AddLog(WriteLog("{\"agent\":"), "edge-1").error().code, ErrorCode::kCorrupt);
}

TEST(Intervals, AreCountedOnceWhereTheyOverlap) {
  EXPECT_EQ(UnionLength({}), 0u);
  EXPECT_EQ(UnionLength({{0, 10}, {10, 20}}), 20u);
  EXPECT_EQ(UnionLength({{5, 20}, {0, 10}, {7, 8}}), 20u);
  EXPECT_EQ(UnionLength({{0, 1}, {100, 101}}), 2u);
}

}  // namespace
}  // namespace till::cli::demo
