#include "core/text.h"

#include <gtest/gtest.h>

#include <string>

namespace till {
namespace {

TEST(ParseUint, TakesDigitsOnly) {
  EXPECT_EQ(*ParseUint("0"), 0U);
  EXPECT_EQ(*ParseUint("007"), 7U);
  EXPECT_EQ(*ParseUint("18446744073709551615"), UINT64_MAX);
  for (const char* bad : {"", " 1", "1 ", "+1", "-1", "1.0", "0x1", "18446744073709551616", "1e3"}) {
    EXPECT_EQ(ParseUint(bad).error().code, ErrorCode::kInvalid) << bad;
  }
}

TEST(ParseSize, KnowsItsUnits) {
  struct Row {
    const char* text;
    uint64_t bytes;
  };
  const Row kTable[] = {{"0", 0},
                        {"512", 512},
                        {"512B", 512},
                        {"64KiB", 65536},
                        {"64 KiB", 65536},
                        {"64K", 65536},
                        {"4.5MiB", 4718592},
                        {"1G", uint64_t{1} << 30},
                        {"0.5KiB", 512},
                        {"1.000001MiB", 1048577}};
  for (const Row& row : kTable) EXPECT_EQ(*ParseSize(row.text), row.bytes) << row.text;
  for (const char* bad : {"", "KiB", ".5KiB", "1.KiB", "1.2.3KiB", "1kB", "-1KiB", "1 TiB", "4.5", "1.0000001MiB",
                          "99999999999999999999", "9999999999GiB", "1KiBx"}) {
    EXPECT_EQ(ParseSize(bad).error().code, ErrorCode::kInvalid) << bad;
  }
  EXPECT_STREQ(ParseSize("0 TiB").error().what, "unknown unit of size: use B, KiB, MiB or GiB");
}

TEST(FormatSize, ShowsThreeFigures) {
  struct Row {
    uint64_t bytes;
    const char* text;
  };
  const Row kTable[] = {{0, "0 B"},
                        {512, "512 B"},
                        {1023, "1023 B"},
                        {1024, "1.00 KiB"},
                        {186368, "182 KiB"},
                        {8294236, "7.91 MiB"},
                        {uint64_t{28} << 20, "28.0 MiB"},
                        {10480, "10.2 KiB"},
                        {102397, "100 KiB"},
                        {1023 * 1024, "1023 KiB"},
                        {(uint64_t{1} << 30) - 1, "1.00 GiB"},
                        {UINT64_MAX, "16777216 TiB"}};
  for (const Row& row : kTable) EXPECT_EQ(FormatSize(row.bytes), row.text);
}

TEST(Split, KeepsEmptyParts) {
  EXPECT_EQ(Split("a,b,,c", ','), (std::vector<std::string_view>{"a", "b", "", "c"}));
  EXPECT_EQ(Split("", ','), (std::vector<std::string_view>{""}));
  EXPECT_EQ(Split(",", ','), (std::vector<std::string_view>{"", ""}));
}

TEST(Trim, TakesSpaceFromTheEndsOnly) {
  EXPECT_EQ(Trim(" \t a b\r\n"), "a b");
  EXPECT_EQ(Trim(" \t "), "");
  EXPECT_EQ(Trim(""), "");
}

TEST(Case, IsAsciiAndKnowsNoLocale) {
  EXPECT_TRUE(EqualsIgnoreCase("Content-Length", "content-LENGTH"));
  EXPECT_FALSE(EqualsIgnoreCase("a", "ab"));
  EXPECT_FALSE(EqualsIgnoreCase("\xc3\x84", "\xc3\xa4"));
  EXPECT_FALSE(EqualsIgnoreCase("@", "`"));
  EXPECT_EQ(ToLower("AbZ[\xc4"), "abz[\xc4");
}

// covers W12
TEST(QuoteJson, EscapesWhatWouldBreakALine) {
  EXPECT_EQ(QuoteJson("a\"\\\n\x01"), "\"a\\\"\\\\\\u000a\\u0001\"");
  EXPECT_EQ(QuoteJson(std::string("\0", 1)), "\"\\u0000\"");
  EXPECT_EQ(QuoteJson("\u00e9\u20ac\U0001F600"), "\"\u00e9\u20ac\U0001F600\"");
  for (const char* bad :
       {"\x80", "\xff", "\xc0\xaf", "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80"}) {
    EXPECT_NE(QuoteJson(bad).find("\\ufffd"), std::string::npos);
  }
  EXPECT_EQ(QuoteJson("\xe2\x82"), "\"\\ufffd\\ufffd\"");
  EXPECT_EQ(QuoteJson("\xc3(a"), "\"\\ufffd(a\"");
}

// covers W12
TEST(Printable, LeavesNothingThatATerminalObeys) {
  EXPECT_EQ(Printable("a\x1b[2J\r\n\x7f"), "a\\x1b[2J\\x0d\\x0a\\x7f");
  EXPECT_EQ(Printable(std::string("a\0b", 3)), "a\\x00b");
  EXPECT_EQ(Printable("\u00e9\u20ac"), "\u00e9\u20ac");
  EXPECT_EQ(Printable("\xc2\x9b"
                      "2J"),
            "\\xc2\\x9b2J");  // CSI as one character
  EXPECT_EQ(Printable("\x9b"
                      "2J"),
            "\\x9b2J");  // and as one byte
  EXPECT_EQ(Printable("\xc2\xa0"), "\xc2\xa0");
  // What turns the direction of writing, or breaks the line, unseen.
  for (const char* unseen :
       {"\u061c", "\u200e", "\u200f", "\u2028", "\u2029", "\u202a", "\u202e", "\u2066", "\u2069"}) {
    EXPECT_EQ(Printable(unseen).substr(0, 2), "\\x") << Printable(unseen);
  }
  for (const char* seen : {"\u061b", "\u200d", "\u2027", "\u202f", "\u2065", "\u206a", "\u20ac"}) {
    EXPECT_EQ(Printable(seen), seen);
  }
}

TEST(NameFitsUrl, TakesWhatAPathCanCarry) {
  for (const char* good : {"pos-17", "a", "pos 2/é", "50%", "a%zz", "a?b#c&d", "...", "a..b", ".hidden", "%41",
                           "+~'\"<>", "Kasse Süd 4", "%%", "%2", "100%2"}) {
    EXPECT_TRUE(NameFitsUrl(good)) << good;
  }
  EXPECT_TRUE(NameFitsUrl(std::string(256, 'x')));
}

TEST(NameFitsUrl, RefusesWhatGetsLostOnTheWay) {
  for (const char* bad : {"",
                          ".",
                          "..",
                          "/",
                          "a/",
                          "/a",
                          "a//b",
                          "a/./b",
                          "../a",
                          "a/..",
                          "a\\b",
                          "\\",
                          "%2e",
                          "%2E%2e",
                          ".%2e",
                          "a%2fb",
                          "%5c",
                          "%5Cx",
                          "%00",
                          "%0d%0a",
                          "%7f",
                          "%252e",
                          "a\nb",
                          "\x1b[2J",
                          "\x7f",
                          "\xc2\x9b"
                          "x",
                          "\xff",
                          "\xc3",
                          "a\xed\xa0\x80"}) {
    EXPECT_FALSE(NameFitsUrl(bad)) << Printable(bad);
  }
  EXPECT_FALSE(NameFitsUrl(std::string_view("a\0b", 3)));
}

}  // namespace
}  // namespace till
