// What holds when many come at once: connections, descriptors, memory.
// covers W03 W15
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <mutex>
#include <thread>

#include "core/clock.h"
#include "tests/core/http/handler_for_tests.h"
#include "tests/core/http/raw_socket.h"

namespace till::http {
namespace {

// Lowers the soft limit of descriptors while it lives.
class FewDescriptors {
 public:
  explicit FewDescriptors(uint64_t limit) {
    getrlimit(RLIMIT_NOFILE, &before_);
    rlimit low = before_;
    low.rlim_cur = limit;
    setrlimit(RLIMIT_NOFILE, &low);
  }
  ~FewDescriptors() { setrlimit(RLIMIT_NOFILE, &before_); }
  FewDescriptors(const FewDescriptors&) = delete;
  FewDescriptors& operator=(const FewDescriptors&) = delete;

 private:
  rlimit before_{};
};

class BoundsTest : public ServerTest {
 protected:
  void SetUp() override { options.loops = 1; }
  void ExpectServed(RawConnection& client) {
    ASSERT_TRUE(client.Send(Get("/")));
    EXPECT_EQ(StatusOf(client.ReadResponse()), 200);
  }
};

TEST_F(BoundsTest, TheSoftLimitIsRaisedAndBoundsTheConnections) {
  rlimit hard{};
  getrlimit(RLIMIT_NOFILE, &hard);
  const FewDescriptors low(200);
  options.max_connections = UINT32_MAX;
  Start();
  rlimit now{};
  getrlimit(RLIMIT_NOFILE, &now);
  EXPECT_EQ(now.rlim_cur, hard.rlim_max);
  const ServerLimits limits = server->limits();
  EXPECT_LT(limits.max_connections, hard.rlim_max);
  EXPECT_GE(limits.max_connections, 1U);
  EXPECT_EQ(limits.max_connections_per_address, std::max(limits.max_connections / 8, 1U));
}

TEST_F(BoundsTest, OneAddressGetsAnEighthAndAnotherIsServed) {
  options.max_connections = 16;
  Start();
  std::vector<std::unique_ptr<RawConnection>> idle;
  for (int i = 0; i < 300; ++i) idle.push_back(std::make_unique<RawConnection>(port()));
  RawConnection other(port(), "127.0.0.2");
  ExpectServed(other);
  // Two are held, 64 are being told, the others were told at the door without having asked.
  int told = 0;
  for (int i = 0; i < 300 - 66; ++i) told += StatusOf(idle[66 + i]->ReadAll()) == 429;
  EXPECT_EQ(told, 300 - 66);
  EXPECT_EQ(StatusOf(idle[10]->ReadAll()), 429);  // one that was let in to be told, and never asked
}

TEST_F(BoundsTest, AProxyIsNotBoundByItsAddress) {
  options.max_connections = 16;
  options.proxies = {"127.0.0.2"};
  Start();
  std::vector<std::unique_ptr<RawConnection>> held;
  for (int i = 0; i < 10; ++i) {
    held.push_back(std::make_unique<RawConnection>(port(), "127.0.0.2"));
    ExpectServed(*held.back());
  }
  std::vector<std::unique_ptr<RawConnection>> others;
  for (int i = 0; i < 2; ++i) {
    others.push_back(std::make_unique<RawConnection>(port()));
    ExpectServed(*others.back());
  }
  RawConnection third(port());
  ASSERT_TRUE(third.Send(Get("/")));
  EXPECT_EQ(StatusOf(third.ReadAll()), 429);
}

TEST_F(BoundsTest, AProxyThatIsNoAddressIsRefused) {
  options.proxies = {"proxy.example"};
  const auto started = Server::Start(options, handler);
  ASSERT_FALSE(started.ok());
  EXPECT_EQ(started.error().code, ErrorCode::kInvalid);
}

TEST_F(BoundsTest, WithoutAFreeDescriptorAnyNumberOfClientsIsTurnedAwayAndOldOnesServed) {
  Start();
  RawConnection first(port());
  ExpectServed(first);
  constexpr int kVictims = 20;
  std::vector<UniqueFd> made;
  for (int i = 0; i < kVictims; ++i) made.emplace_back(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  {
    const FewDescriptors low(200);
    std::vector<UniqueFd> fill;
    do {
      fill.emplace_back(dup(first.fd()));
    } while (fill.back().valid());
    std::vector<std::unique_ptr<RawConnection>> victims;  // kept: an end that closes is a free descriptor
    for (UniqueFd& socket : made) {
      victims.push_back(std::make_unique<RawConnection>(port(), std::move(socket)));
      EXPECT_EQ(StatusOf(victims.back()->ReadAll()), 503);
    }
    EXPECT_EQ(server->counters().refused, static_cast<uint64_t>(kVictims));
    ExpectServed(first);
  }
  RawConnection next(port());
  ExpectServed(next);
}

// When not even the spare can be had again, the loop waits instead of asking without end.
TEST_F(BoundsTest, ALoopWithoutAnyDescriptorRests) {
  Start();
  RawConnection first(port());
  ExpectServed(first);
  UniqueFd made(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  std::unique_ptr<RawConnection> waiting;
  {
    const FewDescriptors none(3);
    const int64_t begin_ms = SystemClock().MonotonicMs();
    waiting = std::make_unique<RawConnection>(port(), std::move(made));
    while (server->counters().accept_failures == 0) std::this_thread::yield();
    constexpr uint64_t kTurns = 300;
    for (uint64_t i = 0; i < kTurns; ++i) ExpectServed(first);  // a loop that spins tries once a turn at least
    const auto passed_ms = static_cast<uint64_t>(SystemClock().MonotonicMs() - begin_ms);
    EXPECT_LE(server->counters().accept_failures, 2 + passed_ms / 100);
  }
  ExpectServed(*waiting);  // the queue kept it
}

TEST_F(BoundsTest, AllBufferedBodiesTogetherHaveABound) {
  options.max_buffered_body_bytes = 1 << 20;
  handler.on_head = [](const Request&) {
    BodyPlan plan;
    plan.max_bytes = 1 << 20;
    return plan;
  };
  handler.on_request = [](const std::shared_ptr<Exchange>& exchange) {
    exchange->Respond(TextResponse(200, std::to_string(exchange->request().body.size())));
  };
  Start();
  const std::string half(600'000, 'x');
  const std::string post = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 600000\r\n\r\n";
  RawConnection holder(port());
  ASSERT_TRUE(holder.Send(post + half.substr(1)));  // all but its last byte
  std::string answer;
  // The holder's bytes may still be on their way in; once they are counted, nobody else has room.
  for (int tries = 0; tries < 200 && StatusOf(answer) != 503; ++tries) {
    RawConnection other(port());
    ASSERT_TRUE(other.Send(post + half));
    answer = other.ReadAll();
  }
  EXPECT_EQ(StatusOf(answer), 503);
  EXPECT_NE(answer.find("Retry-After: "), std::string::npos);
  ASSERT_TRUE(holder.Send("x"));
  EXPECT_EQ(StatusOf(holder.ReadResponse()), 200);
  for (int i = 0; i < 5; ++i) {  // what was taken is given back, also by the refused
    RawConnection next(port());
    ASSERT_TRUE(next.Send(post + half));
    EXPECT_EQ(StatusOf(next.ReadResponse()), 200);
  }
}

TEST_F(BoundsTest, NothingOfABodyIsReadBeforeItsPlanIsThere) {
  WorkerPool pool(1, 10);
  std::shared_ptr<PendingPlan> pending;
  handler.on_head = [&](const Request& request) {
    BodyPlan plan;
    plan.later = [&](std::shared_ptr<PendingPlan> made) {
      if (made->request().path == "/dropped") return;
      EXPECT_TRUE(pool.Post([made = std::move(made)] {
        BodyPlan decided;
        if (made->request().path == "/no") decided.refuse = TextResponse(401, "");
        made->Decide(std::move(decided));
        BodyPlan second;
        second.refuse = TextResponse(418, "");
        made->Decide(std::move(second));
      }));
    };
    EXPECT_EQ(request.body, "");
    return plan;
  };
  handler.on_request = [](const std::shared_ptr<Exchange>& exchange) {
    exchange->Respond(TextResponse(200, exchange->request().body));
  };
  Start();
  RawConnection good(port());
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(good.Send("PUT /yes HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"));
    const std::string response = good.ReadResponse();
    EXPECT_EQ(StatusOf(response), 200);
    EXPECT_TRUE(response.ends_with("hello"));
  }
  RawConnection stranger(port());
  ASSERT_TRUE(stranger.Send("PUT /no HTTP/1.1\r\nHost: h\r\nContent-Length: 60000\r\nExpect: 100-continue\r\n\r\n"));
  EXPECT_EQ(StatusOf(stranger.ReadAll()), 401);
  RawConnection dropped(port());
  ASSERT_TRUE(dropped.Send(Get("/dropped")));
  EXPECT_EQ(StatusOf(dropped.ReadResponse()), 500);
}

TEST_F(BoundsTest, APlanMayComeAfterTheClientOrTheServerHasGone) {
  std::mutex mutex;
  std::vector<std::shared_ptr<PendingPlan>> pending;
  handler.on_head = [&](const Request&) {
    BodyPlan plan;
    plan.later = [&](std::shared_ptr<PendingPlan> made) {
      const std::lock_guard<std::mutex> lock(mutex);
      pending.push_back(std::move(made));
    };
    return plan;
  };
  Start();
  RawConnection gone(port());
  RawConnection stays(port());
  ASSERT_TRUE(gone.Send(Get("/")));
  ASSERT_TRUE(stays.Send(Get("/")));
  const auto arrived = [&] {
    const std::lock_guard<std::mutex> lock(mutex);
    return pending.size();
  };
  while (arrived() < 2) std::this_thread::yield();
  gone.Close();
  while (server->counters().open_connections > 1) std::this_thread::yield();
  pending[0]->Decide({});
  EXPECT_TRUE(pending[0]->gone() || pending[1]->gone());
  server.reset();
  EXPECT_TRUE(pending[1]->gone());
  pending[1]->Decide({});
}

}  // namespace
}  // namespace till::http
