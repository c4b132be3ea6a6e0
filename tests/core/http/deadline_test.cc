// covers W03
#include <gtest/gtest.h>

#include "core/clock.h"
#include "core/http/deadline_wheel.h"
#include "tests/core/http/handler_for_tests.h"
#include "tests/core/http/raw_socket.h"

namespace till::http {
namespace {

TEST(DeadlineWheel, CallsEachOnceWhenItsTimeHasPassedAndNotBefore) {
  DeadlineWheel wheel(1'000'000);
  std::array<DeadlineEntry, 200> entries;
  std::array<int, 200> called{};
  const auto deadline = [](size_t i) {
    return 1'000'000 + static_cast<int64_t>(i) * 997;
  };  // up to 3 turns of the wheel
  for (size_t i = 0; i < entries.size(); ++i) {
    wheel.Set(entries[i], 1'000'000 + 500'000);
    wheel.Set(entries[i], deadline(i));
  }
  wheel.Set(entries[7], DeadlineEntry::kNever);
  wheel.Remove(entries[9]);
  for (int64_t now = 1'000'000; now < 1'200'000; now += 50) {
    wheel.Expire(now, [&](DeadlineEntry& entry) {
      const size_t i = static_cast<size_t>(&entry - entries.data());
      ++called[i];
      EXPECT_LE(deadline(i), now);
      EXPECT_GE(deadline(i), now - 200);
    });
    EXPECT_NE(wheel.NextWaitMs(now), 0) << "nothing is due, yet it would spin";
    if (::testing::Test::HasFailure()) break;
  }
  for (size_t i = 0; i < entries.size(); ++i) EXPECT_EQ(called[i], i == 7 || i == 9 ? 0 : 1) << i;
  EXPECT_EQ(wheel.NextWaitMs(1'200'000), -1);
}

class DeadlineTest : public ServerTest {
 protected:
  void SetUp() override {
    options.header_deadline_ms = 150;
    options.idle_timeout_ms = 600'000;
    options.min_body_rate_bytes_per_s = 1000;
    options.min_body_rate_window_ms = 200;
  }
};

TEST_F(DeadlineTest, AHeadThatDoesNotEndIsA408HoweverItDrips) {
  Start();
  RawConnection client(port());
  ASSERT_TRUE(client.Send("GET / HTTP/1.1\r\nHost: h\r\n"));
  const int64_t begin_ms = SystemClock().MonotonicMs();
  while (SystemClock().MonotonicMs() - begin_ms < 5'000 && client.Send("X: y\r\n")) {
    SystemClock().SleepMs(20);  // the drip is what is tested
  }
  EXPECT_LT(SystemClock().MonotonicMs() - begin_ms, 4'000);
  RawConnection other(port());
  ASSERT_TRUE(other.Send("GET /"));
  EXPECT_EQ(StatusOf(other.ReadAll()), 408);
}

TEST_F(DeadlineTest, AConnectionThatSaysNothingIsClosed) {
  Start();
  RawConnection client(port());
  EXPECT_EQ(client.ReadAll(), "");
}

TEST_F(DeadlineTest, AKeptConnectionMayIdleLongerThanAHeadMayTake) {
  Start();
  RawConnection client(port());
  ASSERT_TRUE(client.Send(Get("/")));
  EXPECT_EQ(StatusOf(client.ReadResponse()), 200);
  RawConnection timer(port());
  EXPECT_EQ(timer.ReadAll(), "");  // one header deadline has passed
  ASSERT_TRUE(client.Send(Get("/")));
  EXPECT_EQ(StatusOf(client.ReadResponse()), 200);
  ASSERT_TRUE(client.Send("GET"));  // but from the first byte on the clock runs
  EXPECT_EQ(StatusOf(client.ReadAll()), 408);
}

TEST_F(DeadlineTest, IdlingEnds) {
  options.idle_timeout_ms = 100;
  Start();
  RawConnection client(port());
  ASSERT_TRUE(client.Send(Get("/")));
  EXPECT_EQ(StatusOf(client.ReadResponse()), 200);
  EXPECT_EQ(client.ReadAll(), "");
}

TEST_F(DeadlineTest, ABodyThatCrawlsIsA408) {
  Start();
  RawConnection client(port());
  ASSERT_TRUE(client.Send("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nx"));
  EXPECT_EQ(StatusOf(client.ReadAll()), 408);
}

TEST_F(DeadlineTest, AReaderThatTakesNothingIsCutAndASteadyOneIsNot) {
  handler.on_request = [](const std::shared_ptr<Exchange>& exchange) {
    exchange->Respond(TextResponse(200, std::string(8 << 20, 'x')));
  };
  Start();
  RawConnection stalled(port(), 4096);
  RawConnection steady(port());
  ASSERT_TRUE(stalled.Send(Get("/")));
  ASSERT_TRUE(steady.Send(Get("/")));
  steady.ReadHead();
  size_t got = 0;
  const int64_t begin_ms = SystemClock().MonotonicMs();
  while (server->counters().open_connections > 1 && SystemClock().MonotonicMs() - begin_ms < 8'000) {
    got += steady.Read(20'000).size();
    SystemClock().SleepMs(10);  // a slow reader is what is tested
  }
  EXPECT_EQ(server->counters().open_connections, 1U);
  bool reset = false;
  stalled.ReadAll(&reset);
  EXPECT_TRUE(reset) << "the kernel goes on holding what the reader does not take";
  while (got < (8U << 20)) {
    const size_t more = steady.Read(1 << 20).size();
    if (more == 0) break;
    got += more;
  }
  EXPECT_EQ(got, 8U << 20);
}

TEST_F(DeadlineTest, AHandlerMayTakeItsTime) {
  WorkerPool pool(1, 1);
  handler.on_request = [&](const std::shared_ptr<Exchange>& exchange) {
    EXPECT_TRUE(pool.Post([this, exchange] {
      RawConnection timer(port());
      timer.ReadAll();  // one header deadline and more
      exchange->Respond(TextResponse(200, "late"));
    }));
  };
  Start();
  RawConnection client(port());
  ASSERT_TRUE(client.Send(Get("/")));
  EXPECT_EQ(StatusOf(client.ReadResponse()), 200);
}

}  // namespace
}  // namespace till::http
