#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>

#include "tests/core/http/handler_for_tests.h"
#include "tests/core/http/raw_socket.h"

namespace till::http {
namespace {

std::string BodyOf(const std::string& response) {
  const size_t at = response.find("\r\n\r\n");
  return at == std::string::npos ? "" : response.substr(at + 4);
}

TEST_F(ServerTest, AnswersRequestAfterRequestOnOneConnection) {
  handler.on_request = [](const std::shared_ptr<Exchange>& exchange) {
    exchange->Respond(TextResponse(200, exchange->request().path));
  };
  Start();
  RawConnection client(port());
  for (const char* path : {"/one", "/two", "/three"}) {
    ASSERT_TRUE(client.Send(Get(path)));
    const std::string response = client.ReadResponse();
    EXPECT_EQ(StatusOf(response), 200);
    EXPECT_EQ(BodyOf(response), path);
    EXPECT_NE(response.find("\r\nDate: "), std::string::npos);
  }
  EXPECT_EQ(server->counters().connections, 1U);
  EXPECT_EQ(server->counters().requests, 3U);
}

TEST_F(ServerTest, PipelinedRequestsAreAnsweredInOrder) {
  WorkerPool pool(2, 100);
  handler.on_request = [&](const std::shared_ptr<Exchange>& exchange) {  // odd ones at once, even ones elsewhere
    const std::string path = exchange->request().path;
    if (path.back() % 2 == 1) return exchange->Respond(TextResponse(200, path));
    EXPECT_TRUE(pool.Post([exchange, path] { exchange->Respond(TextResponse(200, path)); }));
  };
  Start();
  RawConnection client(port());
  std::string all;
  for (int i = 0; i < 40; ++i) all += Get("/" + std::to_string(i));
  ASSERT_TRUE(client.Send(all));
  for (int i = 0; i < 40; ++i) EXPECT_EQ(BodyOf(client.ReadResponse()), "/" + std::to_string(i));
}

TEST_F(ServerTest, PipelinedBodiesEndWhereTheyEnd) {
  handler.on_request = [](const std::shared_ptr<Exchange>& exchange) {
    exchange->Respond(TextResponse(200, exchange->request().body));
  };
  Start();
  RawConnection client(port());
  const std::string post = "POST /a HTTP/1.1\r\nHost: h\r\n";
  ASSERT_TRUE(client.Send(post + "Content-Length: 3\r\n\r\nabc" + post +
                          "Transfer-Encoding: chunked\r\n\r\n2\r\nde\r\n1\r\nf\r\n" + "0\r\n\r\n" + Get("/")));
  EXPECT_EQ(BodyOf(client.ReadResponse()), "abc");
  EXPECT_EQ(BodyOf(client.ReadResponse()), "def");
  EXPECT_EQ(BodyOf(client.ReadResponse()), "");
}

TEST_F(ServerTest, AnyCuttingOfARequestGivesTheSameAnswer) {
  handler.on_request = [](const std::shared_ptr<Exchange>& exchange) {
    exchange->Respond(TextResponse(200, exchange->request().body));
  };
  Start();
  const std::string request =
      "POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n3\r\nabc\r\n0\r\n\r\n";
  RawConnection client(port());
  for (size_t cut = 1; cut < request.size(); ++cut) {
    ASSERT_TRUE(client.Send(request.substr(0, cut)));
    ASSERT_TRUE(client.Send(request.substr(cut)));
    EXPECT_EQ(BodyOf(client.ReadResponse()), "helloabc") << cut;
  }
}

TEST_F(ServerTest, HeadHasTheHeadOfGetAndNoBody) {
  handler.on_request = [](const std::shared_ptr<Exchange>& exchange) {
    exchange->Respond(TextResponse(200, "some body"));
  };
  Start();
  RawConnection client(port());
  ASSERT_TRUE(client.Send("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n" + Get("/")));
  const std::string head = client.ReadHead();
  EXPECT_NE(head.find("Content-Length: 9\r\n"), std::string::npos);
  EXPECT_EQ(BodyOf(client.ReadResponse()), "some body");  // follows at once
}

TEST_F(ServerTest, AnswersWithoutABodySendNone) {
  handler.on_request = [](const std::shared_ptr<Exchange>& exchange) {
    Response response = TextResponse(exchange->request().path == "/204" ? 204 : 304, "must not be sent");
    exchange->Respond(std::move(response));
  };
  Start();
  RawConnection client(port());
  for (const char* path : {"/204", "/304", "/204"}) {
    ASSERT_TRUE(client.Send(Get(path)));
    const std::string head = client.ReadHead();
    EXPECT_EQ(StatusOf(head), path[1] == '2' ? 204 : 304);
    EXPECT_EQ(head.find("Content-Length"), std::string::npos);
  }
}

TEST_F(ServerTest, OldClientsAreServedAndLetGo) {
  Start();
  RawConnection client(port());
  ASSERT_TRUE(client.Send("GET / HTTP/1.0\r\nHost: h\r\n\r\n"));
  const std::string response = client.ReadAll();
  EXPECT_EQ(StatusOf(response), 200);
  EXPECT_NE(response.find("Connection: close\r\n"), std::string::npos);
}

TEST_F(ServerTest, AContinueIsSaidBeforeTheBodyIsRead) {
  handler.on_request = [](const std::shared_ptr<Exchange>& exchange) {
    exchange->Respond(TextResponse(200, exchange->request().body));
  };
  Start();
  RawConnection client(port());
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(client.Send("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"));
    EXPECT_EQ(client.ReadHead(), "HTTP/1.1 100 Continue\r\n\r\n");
    ASSERT_TRUE(client.Send("hello"));
    EXPECT_EQ(BodyOf(client.ReadResponse()), "hello");
  }
}

TEST_F(ServerTest, ARefusedUploadIsToldBeforeItsBody) {
  handler.on_head = [](const Request& request) {
    BodyPlan plan;
    plan.max_bytes = 4;
    if (request.path == "/no") plan.refuse = TextResponse(401, "");
    return plan;
  };
  handler.on_request = [](const std::shared_ptr<Exchange>&) { FAIL() << "the handler saw a refused request"; };
  Start();
  const auto answer = [&](const std::string& request) {
    RawConnection client(port());
    EXPECT_TRUE(client.Send(request));
    return StatusOf(client.ReadAll());
  };
  EXPECT_EQ(answer("PUT /no HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n"), 401);
  EXPECT_EQ(answer("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"), 413);
  EXPECT_EQ(answer("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"), 413);
  EXPECT_EQ(answer("PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n"), 413);
  // A client that sends on for a while still reads why it was refused.
  RawConnection client(port());
  ASSERT_TRUE(client.Send("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 500000\r\n\r\n" + std::string(500'000, 'x')));
  bool reset = false;
  EXPECT_EQ(StatusOf(client.ReadAll(&reset)), 413);
  EXPECT_FALSE(reset);
}

TEST_F(ServerTest, ARefusedRequestWithoutABodyKeepsItsConnection) {
  handler.on_head = [](const Request&) {
    BodyPlan plan;
    plan.refuse = TextResponse(401, "");
    return plan;
  };
  Start();
  RawConnection client(port());
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(client.Send(Get("/")));
    EXPECT_EQ(StatusOf(client.ReadResponse()), 401);
  }
}

class CountingSink : public BodySink {
 public:
  explicit CountingSink(Error error, uint64_t fail_at) : error_(error), fail_at_(fail_at) {}
  Status Write(ByteView bytes) override {
    count += bytes.size();
    if (count >= fail_at_) return error_;
    return Ok();
  }
  uint64_t count = 0;

 private:
  Error error_;
  uint64_t fail_at_;
};

TEST_F(ServerTest, ASinkTakesTheBodyAndItsErrorsBecomeStatuses) {
  Error error{ErrorCode::kInvalid, ""};
  uint64_t fail_at = UINT64_MAX;
  handler.on_head = [&](const Request&) {
    BodyPlan plan;
    plan.max_bytes = 100 << 20;
    plan.sink = std::make_unique<CountingSink>(error, fail_at);
    return plan;
  };
  handler.on_request = [](const std::shared_ptr<Exchange>& exchange) {
    const auto* sink = static_cast<CountingSink*>(exchange->body_sink());
    EXPECT_EQ(exchange->request().body, "");
    exchange->Respond(TextResponse(200, std::to_string(sink->count)));
  };
  Start();
  Client client({});
  std::string body;
  body.resize(10'000'000, 'x');
  const Result<Reply> reply = client.Send({.method = "PUT", .url = Url("/"), .body = body});
  ASSERT_TRUE(reply.ok());
  EXPECT_EQ(reply->body, "10000000");
  struct Row {
    Error error;
    int status;
  };
  const std::vector<Row> rows = {{{ErrorCode::kInvalid, ""}, 400},     {{ErrorCode::kCorrupt, ""}, 400},
                                 {{ErrorCode::kLimit, ""}, 413},       {{ErrorCode::kLimit, "", ENOSPC}, 507},
                                 {{ErrorCode::kUnavailable, ""}, 503}, {{ErrorCode::kIo, "", EIO}, 500}};
  fail_at = 5;
  for (const Row& row : rows) {
    error = row.error;
    RawConnection raw(port());
    ASSERT_TRUE(raw.Send("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n123456789"));
    EXPECT_EQ(StatusOf(raw.ReadAll()), row.status) << ErrorCodeName(row.error.code);
  }
}

TEST_F(ServerTest, AnExchangeThatIsDroppedUnansweredIsA500) {
  WorkerPool pool(1, 10);
  handler.on_request = [&](std::shared_ptr<Exchange> exchange) {
    if (exchange->request().path != "/later") return;
    EXPECT_TRUE(pool.Post([kept = std::move(exchange)] {}));
  };
  Start();
  for (const char* path : {"/now", "/later"}) {
    RawConnection client(port());
    ASSERT_TRUE(client.Send(Get(path)));
    EXPECT_EQ(StatusOf(client.ReadResponse()), 500) << path;
  }
}

TEST_F(ServerTest, OnlyTheFirstAnswerCounts) {
  handler.on_request = [](const std::shared_ptr<Exchange>& exchange) {
    exchange->Respond(TextResponse(200, "first"));
    exchange->Respond(TextResponse(200, "second"));
  };
  Start();
  RawConnection client(port());
  ASSERT_TRUE(client.Send(Get("/")));
  EXPECT_EQ(BodyOf(client.ReadResponse()), "first");
  ASSERT_TRUE(client.Send(Get("/")));
  EXPECT_EQ(BodyOf(client.ReadResponse()), "first");
}

TEST_F(ServerTest, AHeaderThatWouldSplitTheAnswerIsA500) {
  handler.on_request = [](const std::shared_ptr<Exchange>& exchange) {
    Response response = TextResponse(200, "x");
    response.headers.push_back({"X-Name", "a\r\nSet-Cookie: evil"});
    exchange->Respond(std::move(response));
  };
  Start();
  RawConnection client(port());
  ASSERT_TRUE(client.Send(Get("/")));
  const std::string response = client.ReadResponse();
  EXPECT_EQ(StatusOf(response), 500);
  EXPECT_EQ(response.find("evil"), std::string::npos);
}

TEST_F(ServerTest, ConnectionsPastTheBoundAreToldToComeBack) {
  options.max_connections = 3;
  options.max_connections_per_address = 3;
  options.loops = 1;
  Start();
  std::vector<std::unique_ptr<RawConnection>> held;
  for (int i = 0; i < 3; ++i) {
    held.push_back(std::make_unique<RawConnection>(port()));
    ASSERT_TRUE(held.back()->Send(Get("/")));
    EXPECT_EQ(StatusOf(held.back()->ReadResponse()), 200);
  }
  RawConnection late(port());
  ASSERT_TRUE(late.Send(Get("/")));
  const std::string response = late.ReadAll();
  EXPECT_EQ(StatusOf(response), 503);
  EXPECT_NE(response.find("Retry-After: "), std::string::npos);
  held.pop_back();
  for (int tries = 0; tries < 200; ++tries) {  // the server learns of the end when its loop comes round
    RawConnection next(port());
    ASSERT_TRUE(next.Send(Get("/")));
    if (StatusOf(next.ReadResponse()) == 200) return;
  }
  FAIL() << "a place that became free was not given away";
}

TEST_F(ServerTest, OneAddressCannotTakeAllPlaces) {
  options.max_connections_per_address = 2;
  options.loops = 1;
  Start();
  std::vector<std::unique_ptr<RawConnection>> held;
  for (int i = 0; i < 2; ++i) {
    held.push_back(std::make_unique<RawConnection>(port()));
    ASSERT_TRUE(held.back()->Send(Get("/")));
    EXPECT_EQ(StatusOf(held.back()->ReadResponse()), 200);
  }
  RawConnection late(port());
  ASSERT_TRUE(late.Send(Get("/")));
  EXPECT_EQ(StatusOf(late.ReadAll()), 429);
}

TEST_F(ServerTest, APortInUseIsKConflict) {
  Start();
  ServerOptions same = options;
  same.port = port();
  const Result<std::unique_ptr<Server>> second = Server::Start(same, handler);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code, ErrorCode::kConflict);
}

TEST_F(ServerTest, BadOptionsAreKInvalid) {
  for (const char* address : {"localhost", "256.0.0.1", "", "192.0.2.1"}) {
    ServerOptions bad;
    bad.address = address;
    const Result<std::unique_ptr<Server>> started = Server::Start(bad, handler);
    ASSERT_FALSE(started.ok()) << address;
    EXPECT_EQ(started.error().code, ErrorCode::kInvalid) << address;
  }
  ServerOptions bad;
  bad.tls_cert_file = "/nonexistent";
  const Result<std::unique_ptr<Server>> started = Server::Start(bad, handler);
  ASSERT_FALSE(started.ok());
  EXPECT_EQ(started.error().code, ErrorCode::kInvalid);
}

TEST_F(ServerTest, StopLetsARunningExchangeEnd) {
  options.loops = 1;  // so that what one client sees of the stop holds for the other
  std::shared_ptr<Exchange> held;
  std::mutex mutex;
  std::condition_variable arrived;
  handler.on_request = [&](std::shared_ptr<Exchange> exchange) {
    const std::lock_guard<std::mutex> lock(mutex);
    held = std::move(exchange);
    arrived.notify_one();
  };
  Start();
  RawConnection idle(port());
  RawConnection client(port());
  ASSERT_TRUE(client.Send(Get("/")));
  {
    std::unique_lock<std::mutex> lock(mutex);
    arrived.wait(lock, [&] { return held != nullptr; });
  }
  std::thread stopper([&] { server->Stop(10'000); });
  EXPECT_EQ(idle.ReadAll(), "");  // closed at once: the stop has begun
  held->Respond(TextResponse(200, "done"));
  const std::string response = client.ReadAll();
  EXPECT_EQ(BodyOf(response), "done");
  EXPECT_NE(response.find("Connection: close"), std::string::npos);
  stopper.join();
  EXPECT_FALSE(RawConnection(port()).connected());
}

TEST_F(ServerTest, AnExchangeOutlivesItsServer) {
  std::shared_ptr<Exchange> held;
  std::mutex mutex;
  std::condition_variable arrived;
  handler.on_request = [&](std::shared_ptr<Exchange> exchange) {
    const std::lock_guard<std::mutex> lock(mutex);
    held = std::move(exchange);
    arrived.notify_one();
  };
  Start();
  RawConnection client(port());
  ASSERT_TRUE(client.Send(Get("/kept")));
  {
    std::unique_lock<std::mutex> lock(mutex);
    arrived.wait(lock, [&] { return held != nullptr; });
  }
  EXPECT_FALSE(held->gone());
  server.reset();
  EXPECT_TRUE(held->gone());
  EXPECT_EQ(held->request().path, "/kept");
  held->Wake();
  held->Respond(TextResponse(200, "nobody hears"));
  EXPECT_EQ(client.ReadAll(), "");
}

TEST(WorkerPool, RefusesWhenTooManyWaitAndRunsWhatItTook) {
  std::mutex mutex;
  std::condition_variable news;
  bool begun = false;
  bool go_on = false;
  std::atomic<int> ran{0};
  {
    WorkerPool pool(1, 2);
    ASSERT_TRUE(pool.Post([&] {
      std::unique_lock<std::mutex> lock(mutex);
      begun = true;
      news.notify_all();
      news.wait(lock, [&] { return go_on; });
    }));
    std::unique_lock<std::mutex> lock(mutex);
    news.wait(lock, [&] { return begun; });
    EXPECT_TRUE(pool.Post([&] { ++ran; }));
    EXPECT_TRUE(pool.Post([&] { ++ran; }));
    EXPECT_FALSE(pool.Post([&] { ++ran; }));
    go_on = true;
    news.notify_all();
  }
  EXPECT_EQ(ran, 2);
}

}  // namespace
}  // namespace till::http
