#include "core/http/client.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>

#include "tests/core/http/handler_for_tests.h"
#include "tests/core/http/raw_socket.h"

namespace till::http {
namespace {

constexpr std::string_view kObject = "The quick brown fox jumps over the lazy dog.";

std::string Whole(const std::string& more_headers = "") {
  return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(kObject.size()) + "\r\nETag: \"v1\"\r\n" +
         more_headers + "\r\n" + std::string(kObject);
}

std::string Partial(const std::string& content_range, std::string_view body) {
  return "HTTP/1.1 206 Partial Content\r\nContent-Range: " + content_range +
         "\r\nContent-Length: " + std::to_string(body.size()) + "\r\nETag: \"v1\"\r\n\r\n" + std::string(body);
}

// What one download gave.
struct Got {
  Result<DownloadReply> reply = Error{ErrorCode::kInvalid, ""};
  DownloadReply progress;
  std::string bytes;

  ErrorCode code() const { return reply.error().code; }
};

Got DownloadOnce(const std::string& url, DownloadCall call = {}) {
  Client client({});
  Got got;
  call.url = url;
  got.reply = client.Download(
      call,
      [&](ByteView bytes) {
        got.bytes += AsText(bytes);
        return Ok();
      },
      &got.progress);
  return got;
}

TEST(Download, ResumesAfterACutAtEveryByte) {
  for (size_t cut = 0; cut < kObject.size(); ++cut) {
    ScriptedServer server([cut](const std::string& head, int connection) {
      if (connection == 0) return Whole().substr(0, Whole().size() - kObject.size() + cut);
      if (head.find("Range: ") == std::string::npos) return Whole();
      EXPECT_NE(head.find("Range: bytes=" + std::to_string(cut) + "-\r\n"), std::string::npos) << head;
      EXPECT_NE(head.find("If-Range: \"v1\"\r\n"), std::string::npos) << head;
      const std::string last = std::to_string(kObject.size() - 1);
      return Partial("bytes " + std::to_string(cut) + "-" + last + "/" + std::to_string(kObject.size()),
                     kObject.substr(cut));
    });
    const Got first = DownloadOnce(server.Url());
    ASSERT_FALSE(first.reply.ok());
    EXPECT_EQ(first.code(), ErrorCode::kUnavailable);
    EXPECT_EQ(first.progress.received, cut);
    EXPECT_EQ(first.progress.total_size, kObject.size());
    const Got second =
        DownloadOnce(server.Url(), {.from = cut, .if_range = first.progress.etag, .expected_size = kObject.size()});
    ASSERT_TRUE(second.reply.ok()) << second.reply.error().what;
    EXPECT_EQ(second.reply->first_byte, cut);
    EXPECT_EQ(first.bytes + second.bytes, kObject);
  }
}

TEST(Download, RefusesARangeThatEndsBehindEverything) {
  for (const std::string range : {"bytes 5-18446744073709551615/*", "bytes 5-18446744073709551615/18446744073709551615",
                                  "bytes 5-18446744073709551616/*", "bytes 5-4/*", "bytes 5-9/9"}) {
    ScriptedServer server([&](const std::string&, int) { return Partial(range, std::string(1000, 'x')); });
    const Got got = DownloadOnce(server.Url(), {.from = 5});
    ASSERT_FALSE(got.reply.ok()) << range;
    EXPECT_NE(got.code(), ErrorCode::kUnavailable) << range;
    EXPECT_EQ(got.bytes, "") << range;
  }
}

TEST(Download, TellsEveryByteThatItDoesNotDeliver) {
  struct {
    std::string answer;
    DownloadCall call;
    uint64_t waste;
  } const cases[] = {
      {"HTTP/1.1 404 X\r\nContent-Length: 3\r\n\r\nabc", {.from = 5}, 3},
      {Whole(), {.from = 10}, 10},
      {Whole(), {.from = 10, .length = 4}, kObject.size() - 4},
      // More than the range it speaks of: refused, and paid for.
      {"HTTP/1.1 206 X\r\nContent-Range: bytes 5-7/40\r\nConnection: close\r\n\r\n" + std::string(20, 'x'),
       {.from = 5, .length = 3},
       20},
  };
  for (const auto& each : cases) {
    ScriptedServer server([&](const std::string&, int) { return each.answer; });
    Client client({});
    DownloadCall call = each.call;
    call.url = server.Url();
    uint64_t waste = 0, delivered = 0;
    call.on_waste = [&](uint64_t bytes) { return waste += bytes, Ok(); };
    (void)client.Download(call, [&](ByteView bytes) { return delivered += bytes.size(), Ok(); });
    EXPECT_EQ(waste, each.waste) << each.answer;
    // Who counts may end it.
    call.on_waste = [](uint64_t) -> Status { return Error{ErrorCode::kCanceled, "too dear"}; };
    const auto ended = client.Download(call, [](ByteView) { return Ok(); });
    EXPECT_FALSE(ended.ok()) << each.answer;
  }
}

TEST(Download, SkipsWhatItHasWhenTheServerKnowsNoRanges) {
  ScriptedServer server([](const std::string&, int) { return Whole(); });
  const Got got = DownloadOnce(server.Url(), {.from = 10});
  ASSERT_TRUE(got.reply.ok());
  EXPECT_EQ(got.reply->status, 200);
  EXPECT_EQ(got.reply->first_byte, 0U);
  EXPECT_EQ(got.reply->received, kObject.size() - 10);
  EXPECT_EQ(got.bytes, kObject.substr(10));
}

TEST(Download, NeverMixesTwoVersionsOfAnObject) {
  ScriptedServer server([](const std::string&, int) { return Whole(); });
  const Got got = DownloadOnce(server.Url(), {.from = 10, .if_range = "\"v0\""});
  ASSERT_FALSE(got.reply.ok());
  EXPECT_EQ(got.code(), ErrorCode::kConflict);
  EXPECT_EQ(got.bytes, "");
}

TEST(Download, NeverMixesTwoVersionsOfAnObjectInParts) {
  ScriptedServer server([](const std::string&, int) { return Partial("bytes 10-43/44", kObject.substr(10)); });
  EXPECT_TRUE(DownloadOnce(server.Url(), {.from = 10, .if_range = "\"v1\""}).reply.ok());
  const Got got = DownloadOnce(server.Url(), {.from = 10, .if_range = "\"v0\""});
  ASSERT_FALSE(got.reply.ok());
  EXPECT_EQ(got.code(), ErrorCode::kConflict);
  EXPECT_EQ(got.bytes, "");
}

TEST(Download, TakesNoMoreThanTheRangeThatWasAnswered) {
  ScriptedServer server([](const std::string&, int) { return Partial("bytes 10-14/44", kObject.substr(10)); });
  const Got got = DownloadOnce(server.Url(), {.from = 10, .length = 5});
  ASSERT_FALSE(got.reply.ok());
  EXPECT_EQ(got.code(), ErrorCode::kCorrupt);
}

TEST(Download, ARangePastTheLastNumberIsKInvalid) {
  EXPECT_EQ(DownloadOnce("http://127.0.0.1:1/", {.from = UINT64_MAX - 1, .length = 2}).code(), ErrorCode::kInvalid);
}

TEST(Download, ASpanIsDeliveredExactlyAlsoFromAWholeAnswer) {
  ScriptedServer server([](const std::string& head, int connection) {
    EXPECT_NE(head.find("Range: bytes=4-8\r\n"), std::string::npos);
    return connection == 0 ? Partial("bytes 4-8/44", kObject.substr(4, 5)) : Whole();
  });
  for (int i = 0; i < 2; ++i) {
    const Got got = DownloadOnce(server.Url(), {.from = 4, .length = 5});
    ASSERT_TRUE(got.reply.ok());
    EXPECT_EQ(got.bytes, "quick");
  }
}

TEST(Download, AnswersThatHoldAnotherRangeAreRefused) {
  struct Row {
    const char* content_range;
    uint64_t from;
    uint64_t length;
    bool fine;
  };
  const std::vector<Row> rows = {{"bytes 10-43/44", 10, 0, true},   {"bytes 10-43/*", 10, 0, true},
                                 {"bytes 10-14/44", 10, 5, true},   {"bytes 40-43/44", 40, 100, true},
                                 {"bytes 9-43/44", 10, 0, false},   {"bytes 11-43/44", 10, 0, false},
                                 {"bytes 10-20/44", 10, 0, false},  {"bytes 10-15/44", 10, 5, false},
                                 {"bytes 10-12/44", 10, 5, false},  {"bytes 10-43", 10, 0, false},
                                 {"bytes 10-9/44", 10, 0, false},   {"bytes 10-44/44", 10, 0, false},
                                 {"bytes */44", 10, 0, false},      {"10-43/44", 10, 0, false},
                                 {"bytes -10-43/44", 10, 0, false}, {"", 10, 0, false},
                                 {"bytes 0-43/44", 0, 0, false},    {"bytes */44", 0, 1, false}};
  for (const Row& row : rows) {
    ScriptedServer server([&](const std::string&, int) {
      return Partial(row.content_range, kObject.substr(row.from, row.length ? row.length : 99));
    });
    const Got got = DownloadOnce(server.Url(), {.from = row.from, .length = row.length});
    EXPECT_EQ(got.reply.ok(), row.fine) << row.content_range;
    if (row.fine || got.reply.ok()) continue;
    EXPECT_TRUE(got.code() == ErrorCode::kCorrupt || got.code() == ErrorCode::kInvalid) << row.content_range;
    EXPECT_EQ(got.bytes, "") << row.content_range;
  }
}

TEST(Download, MoreThanTheExpectedSizeIsKLimit) {
  ScriptedServer declared([](const std::string&, int) { return Whole(); });
  const Got got = DownloadOnce(declared.Url(), {.expected_size = kObject.size() - 1});
  ASSERT_FALSE(got.reply.ok());
  EXPECT_EQ(got.code(), ErrorCode::kLimit);
  EXPECT_EQ(got.bytes, "");
  ScriptedServer undeclared([](const std::string&, int) { return "HTTP/1.1 200 OK\r\n\r\n" + std::string(kObject); });
  const Got streamed = DownloadOnce(undeclared.Url(), {.expected_size = kObject.size() - 1});
  ASSERT_FALSE(streamed.reply.ok());
  EXPECT_EQ(streamed.code(), ErrorCode::kLimit);
}

TEST(Download, ASmallerObjectThanExpectedIsNotTaken) {
  ScriptedServer server([](const std::string&, int) { return Whole(); });
  const Got got = DownloadOnce(server.Url(), {.expected_size = kObject.size() + 1});
  ASSERT_FALSE(got.reply.ok());
  EXPECT_EQ(got.code(), ErrorCode::kCorrupt);
}

TEST(Download, OtherStatusesDeliverNothing) {
  ScriptedServer server([](const std::string& head, int) -> std::string {
    if (head.find("/416") != std::string::npos)
      return "HTTP/1.1 416 X\r\nContent-Range: bytes */44\r\nContent-Length: 3\r\n\r\nabc";
    if (head.find("/302") != std::string::npos)
      return "HTTP/1.1 302 X\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 3\r\n\r\nabc";
    if (head.find("/huge") != std::string::npos) return "HTTP/1.1 500 X\r\n\r\n" + std::string(5 << 20, 'x');
    return "HTTP/1.1 503 X\r\nRetry-After: 17\r\nContent-Length: 3\r\n\r\nabc";
  });
  const Got missed = DownloadOnce(server.Url("/416"), {.from = 50});
  ASSERT_TRUE(missed.reply.ok());
  EXPECT_EQ(missed.reply->status, 416);
  EXPECT_EQ(missed.reply->total_size, 44U);
  EXPECT_EQ(DownloadOnce(server.Url("/302")).reply->status, 302);
  EXPECT_EQ(DownloadOnce(server.Url("/huge")).reply->status, 500);
  const Got busy = DownloadOnce(server.Url("/503"));
  ASSERT_TRUE(busy.reply.ok());
  EXPECT_EQ(busy.reply->status, 503);
  EXPECT_EQ(busy.reply->retry_after_s, 17);
  EXPECT_EQ(busy.bytes, "");
}

TEST(Download, TheSinksErrorIsTheAnswer) {
  ScriptedServer server([](const std::string&, int) { return Whole(); });
  Client client({});
  DownloadCall call;
  call.url = server.Url();
  const auto refuse = [](ByteView) -> Status { return Error{ErrorCode::kCorrupt, "bad chunk", 7}; };
  const Result<DownloadReply> reply = client.Download(call, refuse);
  ASSERT_FALSE(reply.ok());
  EXPECT_EQ(reply.error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(reply.error().detail, 7U);
}

TEST(Download, CompressionThatNobodyAskedForIsRefused) {
  ScriptedServer server([](const std::string&, int) { return Whole("Content-Encoding: gzip\r\n"); });
  EXPECT_EQ(DownloadOnce(server.Url()).code(), ErrorCode::kCorrupt);
}

TEST(Send, BoundsWhatThePeerMayAnswer) {
  ScriptedServer server([](const std::string& head, int) -> std::string {
    if (head.find("/headers") != std::string::npos) {
      std::string answer = "HTTP/1.1 200 OK\r\n";
      for (int i = 0; i < 100; ++i) answer += "X: " + std::string(1000, 'a') + "\r\n";
      return answer + "\r\n";
    }
    return Whole();
  });
  Client client({});
  const Result<Reply> headers = client.Send({.url = server.Url("/headers")});
  ASSERT_FALSE(headers.ok());
  EXPECT_EQ(headers.error().code, ErrorCode::kLimit);
  const Result<Reply> body = client.Send({.url = server.Url(), .max_reply_bytes = 10});
  ASSERT_FALSE(body.ok());
  EXPECT_EQ(body.error().code, ErrorCode::kLimit);
  const Result<Reply> fits = client.Send({.url = server.Url(), .max_reply_bytes = kObject.size()});
  ASSERT_TRUE(fits.ok());
  EXPECT_EQ(fits->body, kObject);
  EXPECT_EQ(fits->header("etag"), "\"v1\"");
}

// A cut is never an answer: to curl one among the headers is a 200 with an empty body.
// covers F09
TEST(Send, AnAnswerCutAtAnyByteIsKUnavailable) {
  for (size_t cut = 1; cut < Whole().size(); ++cut) {
    ScriptedServer server([cut](const std::string&, int) { return Whole().substr(0, cut); });
    const Result<Reply> reply = Client({}).Send({.url = server.Url()});
    ASSERT_FALSE(reply.ok()) << cut;
    EXPECT_EQ(reply.error().code, ErrorCode::kUnavailable) << cut << ": " << reply.error().what;
    if (cut >= Whole().size() - kObject.size()) continue;
    EXPECT_EQ(DownloadOnce(server.Url()).code(), ErrorCode::kUnavailable) << cut;
  }
}

TEST(Send, WhatCannotBeSentIsKInvalid) {
  Client client({});
  for (const char* url : {"", "not a url", "file:///etc/passwd", "ftp://127.0.0.1/", "http://user:pass@127.0.0.1/",
                          "http://127.0.0.1/a b", "http://127.0.0.1/\r\nX: y", "gopher://127.0.0.1/"}) {
    const Result<Reply> reply = client.Send({.url = url});
    ASSERT_FALSE(reply.ok()) << url;
    EXPECT_EQ(reply.error().code, ErrorCode::kInvalid) << url;
    EXPECT_STREQ(reply.error().what, "not a usable URL") << url;
  }
  for (const std::string& path : {std::string("\xc3\xa9"), std::string(1 << 20, 'a')}) {
    EXPECT_EQ(client.Send({.url = "http://127.0.0.1:1/" + path}).error().code, ErrorCode::kInvalid);
  }
  for (const char* method : {"", "GE T", "GET\r\nX: y"}) {
    EXPECT_EQ(client.Send({.method = method, .url = "http://127.0.0.1:1/"}).error().code, ErrorCode::kInvalid)
        << method;
  }
  const std::vector<HeaderField> bad_fields = {{"A b", "c"}, {"", "c"}, {"A", "b\r\nEvil: yes"}, {"A:", "b"}};
  for (const HeaderField& field : bad_fields) {
    const Result<Reply> reply = client.Send({.url = "http://127.0.0.1:1/", .headers = {field}});
    ASSERT_FALSE(reply.ok());
    EXPECT_EQ(reply.error().code, ErrorCode::kInvalid) << field.name;
  }
}

TEST(Send, APeerThatIsNotThereIsKUnavailable) {
  uint16_t port = 0;
  {
    HandlerForTests handler;
    ServerOptions options;
    Result<std::unique_ptr<Server>> server = Server::Start(options, handler);
    ASSERT_TRUE(server.ok());
    port = (*server)->port();
  }
  Client client({});
  const Result<Reply> reply = client.Send({.url = "http://127.0.0.1:" + std::to_string(port) + "/"});
  ASSERT_FALSE(reply.ok());
  EXPECT_EQ(reply.error().code, ErrorCode::kUnavailable);
}

// A body that begins and then says nothing more.
class StalledStream : public BodyStream {
 public:
  explicit StalledStream(std::function<void()> on_stall) : on_stall_(std::move(on_stall)) {}
  Piece Next() override {
    Piece piece;
    piece.kind = begun_ ? Piece::Kind::kWait : Piece::Kind::kBytes;
    piece.bytes = "begin";
    if (begun_) on_stall_();
    begun_ = true;
    return piece;
  }

 private:
  std::function<void()> on_stall_;
  bool begun_ = false;
};

class ClientOnServer : public ServerTest {};

TEST_F(ClientOnServer, GivesUpBelowTheMinimumRate) {
  handler.on_request = [](const std::shared_ptr<Exchange>& exchange) {
    Response response;
    response.stream = std::make_unique<StalledStream>([] {});
    exchange->Respond(std::move(response));
  };
  Start();
  ClientOptions client_options;
  client_options.min_rate_bytes_per_s = 1000;
  client_options.min_rate_window_s = 1;
  Client client(client_options);
  DownloadReply progress;
  DownloadCall call;
  call.url = Url("/");
  const Result<DownloadReply> reply = client.Download(
      call, [](ByteView) { return Ok(); }, &progress);
  ASSERT_FALSE(reply.ok());
  EXPECT_EQ(reply.error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(progress.received, 5U);
}

TEST_F(ClientOnServer, IsCancelledWhileThePeerIsSilent) {
  std::atomic<bool> cancel{false};
  handler.on_request = [&](const std::shared_ptr<Exchange>& exchange) {
    Response response;
    response.stream = std::make_unique<StalledStream>([&] { cancel = true; });
    exchange->Respond(std::move(response));
  };
  Start();
  ClientOptions client_options;
  client_options.cancel = &cancel;
  Client client(client_options);
  const Result<Reply> reply = client.Send({.url = Url("/")});
  ASSERT_FALSE(reply.ok());
  EXPECT_EQ(reply.error().code, ErrorCode::kCanceled);
}

TEST_F(ClientOnServer, SendsEveryKindOfBodyOverOneConnection) {
  handler.on_head = [](const Request&) {
    BodyPlan plan;
    plan.max_bytes = 16 << 20;
    return plan;
  };
  handler.on_request = [](const std::shared_ptr<Exchange>& exchange) {
    const Request& request = exchange->request();
    exchange->Respond(TextResponse(200, request.method + " " + std::to_string(request.body.size()) + " [" +
                                            std::string(request.header("Content-Type")) + "]"));
  };
  options.loops = 1;
  Start();
  std::string path = ::testing::TempDir() + "/till_http_client_body_XXXXXX";
  const UniqueFd file(mkstemp(path.data()));
  ASSERT_TRUE(WriteAll(file.get(), AsBytes(std::string(3'000'000, 'b'))).ok());
  Client client({});
  const auto body_of = [&](Call call) {
    call.url = Url("/");
    const Result<Reply> reply = client.Send(call);
    EXPECT_TRUE(reply.ok());
    return reply.ok() ? reply->body : "";
  };
  EXPECT_EQ(body_of({.method = "GET"}), "GET 0 []");
  EXPECT_EQ(body_of({.method = "POST"}), "POST 0 []");
  EXPECT_EQ(body_of({.method = "POST", .headers = {{"Content-Type", "application/json"}}, .body = "{}"}),
            "POST 2 [application/json]");
  EXPECT_EQ(body_of({.method = "PUT", .body = std::string(2'000'000, 'x')}), "PUT 2000000 []");
  EXPECT_EQ(body_of({.method = "PUT", .body_file = path}), "PUT 3000000 []");
  EXPECT_EQ(body_of({.method = "DELETE"}), "DELETE 0 []");
  EXPECT_EQ(body_of({.method = "HEAD"}), "");
  EXPECT_EQ(body_of({.method = "PATCH", .body = "x"}), "PATCH 1 []");
  EXPECT_EQ(server->counters().connections, 1U);
  unlink(path.c_str());
}

TEST_F(ClientOnServer, KeepsToItsReceiveCap) {
  handler.on_request = [](const std::shared_ptr<Exchange>& exchange) {
    exchange->Respond(TextResponse(200, std::string(60'000, 'x')));
  };
  Start();
  ClientOptions client_options;
  client_options.max_receive_bytes_per_s = 40'000;
  Client client(client_options);
  DownloadCall call;
  call.url = Url("/");
  size_t largest = 0;
  const auto begin = std::chrono::steady_clock::now();
  const Result<DownloadReply> reply = client.Download(call, [&](ByteView bytes) {
    largest = std::max(largest, bytes.size());
    return Ok();
  });
  const auto took = std::chrono::steady_clock::now() - begin;
  ASSERT_TRUE(reply.ok());
  EXPECT_GE(took, std::chrono::milliseconds(700));
  EXPECT_LE(largest, 8192U);
}

}  // namespace
}  // namespace till::http
