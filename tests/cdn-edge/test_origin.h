// An origin as the edge may meet one: core/http's server behind switches for everything that goes wrong.
//   Counts every body byte it hands to the kernel, per object. Any thread may turn the switches.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "cdn-edge/edge.h"
#include "core/http/server.h"
#include "core/tuf/repository.h"
#include "tests/cdn-edge/testing.h"

namespace till::edge::testing {

class TestOrigin : public http::Handler {
 public:
  TestOrigin();
  ~TestOrigin() override;

  // --- What it holds ---
  void Add(const Payload& payload);                 // to fetch; not signed
  void Sign(const std::vector<Payload>& payloads);  // and one release of signed metadata that names them
  std::string url() const;
  std::string root_file() const { return folder_.path() + "/tuf/1.root.json"; }

  // --- Switches ---
  void Stop();                 // the port is closed
  void Restart();              // on the same port
  std::atomic<int> status{0};  // answer objects with this instead
  std::atomic<int> metadata_status{0};
  std::atomic<bool> ignore_ranges{false};
  std::atomic<bool> wrong_range{false};   // a 206 with other bytes than asked for
  std::atomic<int64_t> length_off_by{0};  // the object grows (noise) or shrinks by this
  std::atomic<uint64_t> rate_bytes_per_s{0};
  std::string required_token;  // before the first request only
  void FlipAt(const std::string& hex, uint64_t offset, int times = 1 << 30);
  void CutAfter(uint64_t bytes, int times = 1);  // break connections after so many bytes of an answer
  void HoldAt(uint64_t bytes);                   // of an answer: stop sending there until Release()
  void Release();
  void AwaitHeld(unsigned answers);  // until that many answers stand still
  void ReplaceMetadata(const std::string& file, std::string text);

  // --- What it saw ---
  uint64_t sent_bytes(const std::string& hex);
  uint64_t requests(const std::string& hex);
  std::vector<std::string> ranges(const std::string& hex);

  void OnRequest(std::shared_ptr<http::Exchange> exchange) override;

 private:
  class Body;
  void OnObject(const std::shared_ptr<http::Exchange>& exchange, const std::string& hex);
  void OnMetadata(const std::shared_ptr<http::Exchange>& exchange, const std::string& file);
  void Pump();

  TempFolder folder_;
  tuf::RoleSet roles_;
  bool has_repository_ = false;
  uint16_t port_ = 0;
  std::unique_ptr<http::Server> server_;
  std::thread pump_;  // wakes slow answers
  std::atomic<bool> stopping_{false};

  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, std::shared_ptr<const Bytes>> objects_;
  std::map<std::string, std::string> replaced_;
  std::map<std::string, std::pair<uint64_t, int>> flips_;
  std::map<std::string, uint64_t> sent_;
  std::map<std::string, std::vector<std::string>> seen_;
  uint64_t cut_after_ = 0;
  int cut_times_ = 0;
  std::atomic<uint64_t> hold_at_{UINT64_MAX};
  std::set<Body*> live_;
  unsigned held_ = 0;
};

// The real clock, and what the test lets go by at once.
class ClockAhead : public Clock {
 public:
  int64_t UnixMs() const override { return SystemClock().UnixMs(); }
  int64_t MonotonicMs() const override { return SystemClock().MonotonicMs() + ahead_ms; }
  void SleepMs(int64_t ms) override { SystemClock().SleepMs(ms); }
  std::atomic<int64_t> ahead_ms{0};
};

// An edge in this process on a folder of its own, and a client of it.
class TestEdge {
 public:
  explicit TestEdge(TestOrigin& origin);
  EdgeOptions options;  // change before Start()
  ClockAhead clock;
  void Start();
  void Stop() { edge_.reset(); }
  Edge& operator*() { return *edge_; }
  Edge* operator->() { return edge_.get(); }
  std::string url(const std::string& path) const;
  std::string data() const { return folder_.path() + "/data"; }

  http::Reply Get(const std::string& path, std::vector<http::HeaderField> headers = {}, const char* method = "GET");
  // The object's bytes, or the Error of the transfer.
  Result<http::Reply> TryGet(const std::string& path, std::vector<http::HeaderField> headers = {},
                             const char* method = "GET");

 private:
  TempFolder folder_;
  std::unique_ptr<Edge> edge_;
};

}  // namespace till::edge::testing
