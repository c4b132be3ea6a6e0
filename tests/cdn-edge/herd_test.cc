// Two hundred clients at once on a cold object, whatever they ask for. covers W08
#include <gtest/gtest.h>

#include <thread>

#include "tests/cdn-edge/test_origin.h"

namespace till::edge::testing {
namespace {

constexpr unsigned kClients = 200;

struct Ask {
  uint64_t first;
  uint64_t length;  // 0: to the end
};
Ask AskOf(unsigned client, uint64_t size) {
  if (client % 20 == 0) return {0, 0};                        // the whole
  if (client % 20 == 1) return {size - 1 - client * 100, 0};  // a suffix
  if (client % 20 == 2) return {client * 7919ULL % size, 1};  // a byte
  return {client * 104'729ULL % (size - 65'536), 65'536};     // 64 KiB somewhere
}

TEST(Herd, OfAnyMixOfRangesCostsTheOriginEachByteOnce) {
  TestOrigin origin;
  const Payload payload = MakePayload(16 << 20, 3);
  origin.Sign({payload});
  origin.HoldAt(0);  // nobody gets a byte before all have asked
  TestEdge edge(origin);
  edge.options.catalog.memory_bytes = 1 << 20;
  edge.Start();
  const uint64_t size = payload.identity.size;

  std::atomic<unsigned> wrong{0};
  std::vector<std::thread> clients;
  for (unsigned i = 0; i < kClients; ++i) {
    clients.emplace_back([&, i] {
      const Ask ask = AskOf(i, size);
      http::Client client{http::ClientOptions{}};
      http::DownloadCall call;
      call.url = edge.url("/a/" + payload.hex);
      call.from = ask.first;
      call.length = ask.length;
      uint64_t position = ask.first;
      const auto reply = client.Download(call, [&](ByteView bytes) -> Status {
        if (AsText(bytes) != payload.text().substr(position, bytes.size())) return Error{ErrorCode::kCorrupt, "wrong"};
        position += bytes.size();
        return Ok();
      });
      const uint64_t expected = ask.length == 0 ? size : ask.first + ask.length;
      if (!reply.ok() || position != expected) ++wrong;
    });
  }
  origin.AwaitHeld(1);
  while (edge->counters().requests < kClients) std::this_thread::yield();
  const int64_t began_ms = SystemClock().MonotonicMs();
  origin.Release();
  for (std::thread& client : clients) client.join();
  const int64_t took_ms = SystemClock().MonotonicMs() - began_ms;

  EXPECT_EQ(wrong, 0U);
  EXPECT_EQ(edge->counters().bytes_filled, size) << "exactly once";
  EXPECT_EQ(origin.sent_bytes(payload.hex), size);
  RecordProperty("origin_bytes", std::to_string(origin.sent_bytes(payload.hex)));
  std::printf("herd: %u clients, object %llu bytes, origin sent %llu bytes in %llu requests, %lld ms\n", kClients,
              static_cast<unsigned long long>(size), static_cast<unsigned long long>(origin.sent_bytes(payload.hex)),
              static_cast<unsigned long long>(origin.requests(payload.hex)), static_cast<long long>(took_ms));
}

TEST(Herd, OnAPlainObjectFetchesItOnceToo) {
  TestOrigin origin;
  origin.Sign({});
  const Payload plain = MakePlain(3 << 20, 4);
  origin.Add(plain);
  origin.HoldAt(100'000);
  TestEdge edge(origin);
  edge.Start();
  std::atomic<unsigned> wrong{0};
  std::vector<std::thread> clients;
  for (unsigned i = 0; i < 40; ++i) {
    clients.emplace_back([&] { wrong += edge.Get("/a/" + plain.hex).body == plain.text() ? 0 : 1; });
  }
  origin.AwaitHeld(1);
  origin.Release();
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(wrong, 0U);
  EXPECT_EQ(origin.sent_bytes(plain.hex), plain.identity.size);
}

TEST(Herd, WhatIsAskedForComesBeforeWhatIsMerelyNext) {
  TestOrigin origin;
  const Payload payload = MakePayload(8 << 20, 3);
  origin.Sign({payload});
  TestEdge edge(origin);
  edge.Start();
  EXPECT_EQ(edge.Get("/a/" + payload.hex, {{"Range", "bytes=6000000-6000009"}}).body,
            payload.text().substr(6'000'000, 10));
  const auto ranges = origin.ranges(payload.hex);
  ASSERT_GE(ranges.size(), 2U);
  const uint64_t list = payload.identity.list_length;
  const uint64_t chunk = list + (6'000'000 - list) / 32'768 * 32'768;
  EXPECT_EQ(ranges[0], "bytes=0-" + std::to_string(list - 1));
  EXPECT_TRUE(ranges[1].starts_with("bytes=" + std::to_string(chunk) + "-")) << ranges[1];
}

}  // namespace
}  // namespace till::edge::testing
