// covers W01 W04
#include <gtest/gtest.h>

#include "core/http/message.h"
#include "core/text.h"

namespace till::http {
namespace {

// The status a head is refused with; 0: accepted; -1: more bytes are wanted.
int Verdict(std::string_view input) {
  const Result<std::optional<RequestHead>> parsed = ParseRequestHead(input);
  if (!parsed.ok()) return static_cast<int>(parsed.error().detail);
  return *parsed ? 0 : -1;
}

RequestHead Accepted(std::string_view input) {
  Result<std::optional<RequestHead>> parsed = ParseRequestHead(input);
  EXPECT_TRUE(parsed.ok() && *parsed) << input;
  return parsed.ok() && *parsed ? std::move(**parsed) : RequestHead{};
}

std::string WithTarget(std::string_view target) {
  return "GET " + std::string(target) + " HTTP/1.1\r\nHost: h\r\n\r\n";
}

TEST(RequestHead, IsReadAsSent) {
  const std::string input =
      "PUT /a%20b/c?x=1&y=a%2Bb+c HTTP/1.1\r\nHost: hub.example:8443\r\nContent-Length: 12\r\n"
      "Expect: 100-Continue\r\nX-Empty:\r\nx-padded: \t v w \t\r\n\r\nrest";
  const RequestHead head = Accepted(input);
  EXPECT_EQ(head.request.method, "PUT");
  EXPECT_EQ(head.request.path, "/a b/c");
  EXPECT_EQ(head.request.raw_target, "/a%20b/c?x=1&y=a%2Bb+c");
  EXPECT_EQ(head.request.query, "x=1&y=a%2Bb+c");
  EXPECT_EQ(head.request.QueryParameter("y"), "a+b c");
  EXPECT_EQ(head.request.QueryParameter("x"), "1");
  EXPECT_EQ(head.request.QueryParameter("z"), std::nullopt);
  EXPECT_EQ(head.request.header("HOST"), "hub.example:8443");
  EXPECT_EQ(head.request.header("X-Padded"), "v w");
  EXPECT_TRUE(head.request.has_header("x-empty"));
  EXPECT_FALSE(head.request.has_header("x-absent"));
  EXPECT_EQ(head.content_length, 12U);
  EXPECT_TRUE(head.expects_continue);
  EXPECT_TRUE(head.keep_alive);
  EXPECT_EQ(head.head_bytes, input.size() - 4);
}

TEST(RequestHead, KeepsTheConnectionAsTheVersionAndTheFieldSay) {
  EXPECT_TRUE(Accepted("GET / HTTP/1.1\r\nHost: h\r\n\r\n").keep_alive);
  EXPECT_FALSE(Accepted("GET / HTTP/1.0\r\nHost: h\r\n\r\n").keep_alive);
  EXPECT_TRUE(Accepted("GET / HTTP/1.0\r\nHost: h\r\nConnection: Keep-Alive\r\n\r\n").keep_alive);
  EXPECT_FALSE(Accepted("GET / HTTP/1.1\r\nHost: h\r\nConnection: TE, close\r\n\r\n").keep_alive);
  EXPECT_FALSE(Accepted("GET / HTTP/1.1\r\nHost: h\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n").keep_alive);
}

TEST(RequestHead, IsTheSameHoweverTheInputIsCut) {
  const std::vector<std::string> inputs = {"GET /a HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc",
                                           "GET /a HTTP/1.1\nHost: h\r\n\r\n",
                                           "GET /a HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n",
                                           "GET  HTTP/1.1\r\n\r\n",
                                           WithTarget("/" + std::string(9000, 'a')),
                                           "GET / HTTP/1.1\r\nHost: h\r\nX: " + std::string(17000, 'a') + "\r\n\r\n"};
  for (const std::string& input : inputs) {
    const int whole = Verdict(input);
    EXPECT_NE(whole, -1);
    bool decided = false;
    for (size_t cut = 0; cut <= input.size(); ++cut) {
      const int part = Verdict(std::string_view(input).substr(0, cut));
      if (part == -1) {
        EXPECT_FALSE(decided) << cut;
        continue;
      }
      decided = true;
      ASSERT_EQ(part, whole) << cut << " of " << input.substr(0, 80);
    }
  }
}

TEST(RequestHead, PathsThatLeadElsewhereAreRefused) {
  struct Row {
    const char* target;
    int status;
  };
  const std::vector<Row> rows = {{"/", 0},
                                 {"/a/", 0},
                                 {"/a%20b", 0},
                                 {"/%C3%A9", 0},
                                 {"/a%2Fb", 0},
                                 {"/.well-known", 0},
                                 {"/a..b", 0},
                                 {"/...", 0},
                                 {"/50%25", 0},
                                 {"/a?b=%2e%2e/", 0},
                                 {"/a?//", 0},
                                 {"http://h/a", 0},
                                 {"HTTP://H/a", 0},
                                 {"/a%25zz", 0},
                                 {"", 400},
                                 {"a", 400},
                                 {"*", 400},
                                 {"//a", 400},
                                 {"/a//b", 400},
                                 {"/.", 400},
                                 {"/..", 400},
                                 {"/a/../b", 400},
                                 {"/a/./b", 400},
                                 {"/a/..", 400},
                                 {"/%2e%2e/b", 400},
                                 {"/%2E%2e", 400},
                                 {"/a%2f..%2fb", 400},
                                 {"/a%2F%2Fb", 400},
                                 {"/%00", 400},
                                 {"/a%0d%0ab", 400},
                                 {"/%1b", 400},
                                 {"/%7f", 400},
                                 {"/%", 400},
                                 {"/%4", 400},
                                 {"/%zz", 400},
                                 {"/a\\b", 400},
                                 {"/a%5cb", 400},
                                 {"/%252e%252e", 400},
                                 {"/%252fa", 400},
                                 {"/%2500", 400},
                                 {"/%255c", 400},
                                 {"/%25252e", 400},
                                 {"/%c0%ae%c0%ae", 400},
                                 {"/%c0%af", 400},
                                 {"/%e0%80%af", 400},
                                 {"/%f0%80%80%af", 400},
                                 {"/%ed%a0%80", 400},
                                 {"/%f4%90%80%80", 400},
                                 {"/%ff", 400},
                                 {"/%c3", 400},
                                 {"/\xc3\xa9", 400},
                                 {"/a#b", 400},
                                 {"/a\tb", 400},
                                 {"/a?b=%zz", 400},
                                 {"/a?b=%00", 400},
                                 {"/a?\x01", 400},
                                 {"http://other/a", 400},
                                 {"http://h@other/a", 400},
                                 {"http://h", 400},
                                 {"http://h?a", 400},
                                 {"http:///a", 400},
                                 {"ftp://h/a", 400},
                                 {"h:80", 400}};
  for (const Row& row : rows) EXPECT_EQ(Verdict(WithTarget(row.target)), row.status) << row.target;
}

TEST(RequestHead, HasBounds) {
  const std::string end = " HTTP/1.1\r\n";
  const std::string begin = "GET ";
  const size_t longest = (8 << 10) - begin.size() - end.size();
  EXPECT_EQ(Verdict(WithTarget("/" + std::string(longest - 1, 'a'))), 0);
  EXPECT_EQ(Verdict(WithTarget("/" + std::string(longest, 'a'))), 414);
  const std::string host = "Host: h\r\n";
  const auto with_headers = [&](size_t bytes) {
    const std::string field = "X: ";
    return begin + "/" + end + host + field + std::string(bytes - host.size() - field.size() - 4, 'a') + "\r\n\r\n";
  };
  EXPECT_EQ(Verdict(with_headers(16 << 10)), 0);
  EXPECT_EQ(Verdict(with_headers((16 << 10) + 1)), 431);
  const auto with_fields = [&](int count) {
    std::string input = begin + "/" + end + host;
    for (int i = 1; i < count; ++i) input += "X: y\r\n";
    return input + "\r\n";
  };
  EXPECT_EQ(Verdict(with_fields(64)), 0);
  EXPECT_EQ(Verdict(with_fields(65)), 431);
}

TEST(PathSegments, AreDecodedOneByOne) {
  using Segments = std::vector<std::string>;
  EXPECT_EQ(PathSegments("/a/b%2Fc/d%20e?x=/y"), (Segments{"a", "b/c", "d e"}));
  EXPECT_EQ(PathSegments("/a/b/"), (Segments{"a", "b"}));
  EXPECT_EQ(PathSegments("/"), Segments{});
  EXPECT_EQ(PathSegments("http://h/a/b"), (Segments{"a", "b"}));
}

// Whether a URL with the whole name escaped is taken, and means that name.
bool IsCarried(const std::string& name) {
  std::string target = "/rest/";
  for (const char sign : name) target.append("%").append(ToHex(AsBytes(std::string_view(&sign, 1))));
  target += "/actions";
  if (Verdict(WithTarget(target)) != 0) return false;
  return PathSegments(target) == std::vector<std::string>{"rest", name, "actions"};
}

// All names of up to three of the signs that decide: the server must take whatever the one check lets through.
TEST(PathSegments, CarryEachNameThatFitsUrls) {
  const std::string signs = std::string("a.%/\\25eEfF0\x1b\x7f\xc3\xa9\x80 ") + '\0';
  std::vector<std::string> names{""};
  for (size_t i = 0; i < names.size(); ++i) {
    if (names[i].size() < 3) {
      for (const char sign : signs) names.push_back(names[i] + sign);
    }
    EXPECT_TRUE(!NameFitsUrl(names[i]) || IsCarried(names[i])) << Printable(names[i]);
    EXPECT_TRUE(NameFitsUrl(names[i]) || !IsCarried(names[i])) << Printable(names[i]);
  }
}

}  // namespace
}  // namespace till::http
