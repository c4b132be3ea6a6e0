// Time, log lines and faults: what people read.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "core/clock.h"
#include "core/fault.h"
#include "core/json/json.h"
#include "core/log.h"

namespace till {
namespace {

// covers S15
TEST(Utc, GoesThereAndBackFarBeyond2038) {
  struct Row {
    int64_t seconds;
    const char* text;
  };
  const Row kTable[] = {{0, "1970-01-01T00:00:00Z"},          {951782400, "2000-02-29T00:00:00Z"},
                        {1795378500, "2026-11-22T20:15:00Z"}, {2147483647, "2038-01-19T03:14:07Z"},
                        {2147483648, "2038-01-19T03:14:08Z"}, {4294967296, "2106-02-07T06:28:16Z"},
                        {4107542400, "2100-03-01T00:00:00Z"}, {253402300799, "9999-12-31T23:59:59Z"}};
  for (const Row& row : kTable) {
    EXPECT_EQ(FormatUtc(row.seconds), row.text);
    EXPECT_EQ(ParseUtc(row.text), row.seconds);
  }
  EXPECT_EQ(FormatUtc(-1), "1970-01-01T00:00:00Z");
  EXPECT_EQ(FormatUtc(int64_t{1} << 40), "9999-12-31T23:59:59Z");
}

TEST(Utc, AgreesWithTheLibraryOnEveryDayOfFourHundredYears) {
  for (int64_t day = 0; day < 146097; ++day) {
    const auto seconds = static_cast<time_t>(day * 86400 + 86399);
    tm parts{};
    gmtime_r(&seconds, &parts);
    char text[40];
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
    ASSERT_EQ(FormatUtc(seconds), text);
    ASSERT_EQ(ParseUtc(text), seconds);
  }
}

TEST(Utc, RefusesEveryOtherForm) {
  for (const char* bad : {"",
                          "2026-11-22",
                          "2026-11-22T20:15:00",
                          "2026-11-22 20:15:00Z",
                          "2026-11-22T20:15:00z",
                          "2026-11-22T20:15:60Z",
                          "2026-11-31T20:15:00Z",
                          "2023-02-29T00:00:00Z",
                          "2100-02-29T00:00:00Z",
                          "2026-13-01T00:00:00Z",
                          "2026-00-01T00:00:00Z",
                          "2026-01-00T00:00:00Z",
                          "2026-11-22T24:00:00Z",
                          "2026-11-22T20:60:00Z",
                          "+026-11-22T20:15:00Z",
                          "2026-11-22T20:15:00Z ",
                          " 2026-1-22T20:15:00Z",
                          "1969-12-31T23:59:59Z",
                          "2026-11-22T20:15:+0Z",
                          "99999-1-01T00:00:00Z"}) {
    EXPECT_EQ(ParseUtc(bad), -1) << bad;
  }
}

TEST(SystemClock, GoesOn) {
  const int64_t before = SystemClock().MonotonicMs();
  SystemClock().SleepMs(2);
  SystemClock().SleepMs(-5);
  EXPECT_GE(SystemClock().MonotonicMs(), before + 2);
  EXPECT_GT(SystemClock().UnixMs(), 1'600'000'000'000);
}

// What one call of log::Write puts on stderr.
template <typename Call>
std::string CaptureStderr(const Call& call) {
  int fds[2];
  EXPECT_EQ(pipe(fds), 0);
  const int saved = dup(STDERR_FILENO);
  dup2(fds[1], STDERR_FILENO);
  call();
  dup2(saved, STDERR_FILENO);
  close(saved);
  close(fds[1]);
  std::string text(4096, '\0');
  const ssize_t got = read(fds[0], text.data(), text.size());
  text.resize(got > 0 ? static_cast<size_t>(got) : 0);
  close(fds[0]);
  return text;
}

// covers W12
TEST(Log, WritesOneLineWhateverTheInput) {
  log::Configure("edge", log::Level::kInfo, log::Format::kText);
  const std::string evil = "a\n12:00:00 error edge: forged \x1b[2J\r";
  const std::string text = CaptureStderr([&] { log::Warn(evil, {{"path", evil}, {"size", 5}}); });
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1);
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
  EXPECT_NE(text.find(" warn  edge: a\\x0a"), std::string::npos) << text;
  EXPECT_NE(text.find(" size=5\n"), std::string::npos) << text;

  log::Configure("edge", log::Level::kInfo, log::Format::kJson);
  const std::string line = CaptureStderr([&] {
    log::ErrorLine(evil, {{"path", evil + "\xff"}, {"size", -5}, {"cause", Error{ErrorCode::kIo, "cannot read", EIO}}});
  });
  EXPECT_EQ(std::count(line.begin(), line.end(), '\n'), 1);
  const Result<json::Value> parsed = json::Parse(line);
  ASSERT_TRUE(parsed.ok()) << line;
  EXPECT_EQ((*parsed)["message"].AsString(), evil);
  EXPECT_EQ((*parsed)["level"].AsString(), "error");
  EXPECT_EQ((*parsed)["program"].AsString(), "edge");
  EXPECT_EQ((*parsed)["size"].AsInteger(), -5);
  EXPECT_EQ((*parsed)["cause"].AsString(), "cannot read (io: Input/output error)");
  EXPECT_GT(ParseUtc((*parsed)["time"].AsString()), 0);
}

TEST(Log, IsSilentBelowItsLevel) {
  log::Configure("a-program-with-a-name-that-is-much-too-long", log::Level::kWarn, log::Format::kText);
  EXPECT_EQ(CaptureStderr([] { log::Info("quiet"); }), "");
  EXPECT_NE(CaptureStderr([] { log::Warn("loud"); }), "");
}

TEST(Describe, ReadsTheDetailAsTheCodeSays) {
  EXPECT_EQ(log::Describe({ErrorCode::kIo, "x", EACCES}), "x (io: Permission denied)");
  EXPECT_EQ(log::Describe({ErrorCode::kLimit, "x", ENOSPC}), "x (limit: No space left on device)");
  EXPECT_EQ(log::Describe({ErrorCode::kLimit, "x", 32}), "x (limit, 32)");
  EXPECT_EQ(log::Describe({ErrorCode::kNotFound, "x", 404}), "x (not found, 404)");
  EXPECT_EQ(log::Describe({ErrorCode::kCorrupt, "x", 17}), "x (corrupt, 17)");
  EXPECT_EQ(log::Describe({ErrorCode::kRefused, "x"}), "x (refused)");
}

TEST(Fault, SaysWhatHappenedAndWhatToDo) {
  constexpr Fault kFault{"T1004", "the payload does not fit this base", "give the image it was made from"};
  const Error error{ErrorCode::kRefused, "hash differs"};
  const std::string text = FormatFault(kFault, "old\x1b.squashfs", &error);
  EXPECT_EQ(text,
            "error T1004: the payload does not fit this base: old\\x1b.squashfs: hash differs (refused)\n"
            "  do:  give the image it was made from\n  see: docs/errors/T1004.md in Tillrace's sources\n");
  EXPECT_EQ(FormatFault(kFault, "", nullptr).find("base:"), std::string::npos);
  const Result<json::Value> parsed = json::Parse(FormatFaultJson(kFault, "a\"b\n", &error));
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ((*parsed)["error"]["code"].AsString(), "T1004");
  EXPECT_EQ((*parsed)["error"]["context"].AsString(), "a\"b\n");
  EXPECT_EQ((*parsed)["error"]["cause"].AsString(), "hash differs (refused)");
  EXPECT_FALSE((*json::Parse(FormatFaultJson(kFault, "", nullptr)))["error"].Has("cause"));
}

}  // namespace
}  // namespace till
