#include "tests/cdn-edge/test_origin.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>

#include "core/file.h"

namespace till::edge::testing {

// One answer's body, piece by piece.
class TestOrigin::Body : public http::BodyStream {
 public:
  Body(TestOrigin& origin, std::shared_ptr<http::Exchange> exchange, std::string hex,
       std::shared_ptr<const Bytes> bytes, uint64_t first, uint64_t length)
      : origin_(origin),
        exchange_(std::move(exchange)),
        hex_(std::move(hex)),
        bytes_(std::move(bytes)),
        first_(first),
        length_(length) {
    const std::lock_guard lock(origin_.mutex_);
    origin_.live_.insert(this);
  }
  ~Body() override {
    const std::lock_guard lock(origin_.mutex_);
    origin_.live_.erase(this);
    if (held_) --origin_.held_;
  }
  void Wake() { exchange_->Wake(); }

  http::Piece Next() override {
    http::Piece piece;
    if (given_ == length_) return piece;
    uint64_t allowed = std::min<uint64_t>(length_ - given_, 16 * 1024);
    if (const uint64_t rate = origin_.rate_bytes_per_s; rate != 0) {
      if (began_ms_ < 0) began_ms_ = SystemClock().MonotonicMs();
      const uint64_t due = rate * static_cast<uint64_t>(SystemClock().MonotonicMs() - began_ms_ + 10) / 1000;
      allowed = due > given_ ? std::min(allowed, due - given_) : 0;
    }
    const std::lock_guard lock(origin_.mutex_);
    if (given_ >= origin_.hold_at_) {
      allowed = 0;
      if (!held_) ++origin_.held_;
      held_ = true;
      origin_.changed_.notify_all();
    } else {
      if (held_) --origin_.held_;
      held_ = false;
      allowed = std::min(allowed, origin_.hold_at_ - given_);
    }
    if (origin_.cut_times_ > 0 && given_ >= origin_.cut_after_) {
      --origin_.cut_times_;
      piece.kind = http::Piece::Kind::kAbort;
      return piece;
    }
    if (origin_.cut_times_ > 0) allowed = std::min(allowed, origin_.cut_after_ - given_);
    if (allowed == 0) {
      piece.kind = http::Piece::Kind::kWait;
      return piece;
    }
    Fill(piece, allowed);
    return piece;
  }

  void OnDone(uint64_t sent_bytes, bool /*complete*/) override {
    const std::lock_guard lock(origin_.mutex_);
    origin_.sent_[hex_] += sent_bytes;
  }

 private:
  void Fill(http::Piece& piece, uint64_t count) {  // with the origin's mutex held
    const uint64_t offset = first_ + given_;
    piece.kind = http::Piece::Kind::kBytes;
    piece.bytes = AsText(ByteView(*bytes_).subspan(offset, count));
    const auto flip = origin_.flips_.find(hex_);
    if (flip != origin_.flips_.end() && flip->second.second > 0 && flip->second.first >= offset &&
        flip->second.first < offset + count) {
      --flip->second.second;
      piece.bytes[flip->second.first - offset] ^= 1;
    }
    given_ += count;
  }

  TestOrigin& origin_;
  std::shared_ptr<http::Exchange> exchange_;  // shared with the server, to be woken through
  std::string hex_;
  std::shared_ptr<const Bytes> bytes_;
  uint64_t first_;
  uint64_t length_;
  uint64_t given_ = 0;
  int64_t began_ms_ = -1;
  bool held_ = false;
};

TestOrigin::TestOrigin() {
  roles_.root.keys.push_back(crypto::PrivateKey::Generate());
  roles_.targets.keys.push_back(crypto::PrivateKey::Generate());
  roles_.deltas.keys.push_back(crypto::PrivateKey::Generate());
  roles_.snapshot.keys.push_back(crypto::PrivateKey::Generate());
  roles_.timestamp.keys.push_back(crypto::PrivateKey::Generate());
  Restart();
  pump_ = std::thread([this] { Pump(); });
}

TestOrigin::~TestOrigin() {
  stopping_ = true;
  changed_.notify_all();
  pump_.join();
  server_.reset();
}

void TestOrigin::Stop() { server_.reset(); }

void TestOrigin::Restart() {
  http::ServerOptions options;
  options.port = port_;
  options.loops = 1;
  auto server = http::Server::Start(options, *this);
  ASSERT_TRUE(server.ok()) << server.error().what;
  server_ = std::move(*server);
  port_ = server_->port();
}

void TestOrigin::Pump() {
  while (!stopping_) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::milliseconds(5));
    for (Body* body : live_) body->Wake();
  }
}

std::string TestOrigin::url() const { return "http://127.0.0.1:" + std::to_string(port_); }

void TestOrigin::Add(const Payload& payload) {
  const std::lock_guard lock(mutex_);
  objects_[payload.hex] = std::make_shared<const Bytes>(payload.bytes);
}

void TestOrigin::Sign(const std::vector<Payload>& payloads) {
  const std::string folder = folder_.path() + "/tuf";
  const int64_t now = SystemClock().UnixMs() / 1000;
  if (!has_repository_) {
    ASSERT_TRUE(tuf::Repository::Create(folder, roles_, {}, now).ok());
  }
  has_repository_ = true;
  auto repository = tuf::Repository::Open(folder);
  ASSERT_TRUE(repository.ok()) << repository.error().what;
  for (const Payload& payload : payloads) {
    Add(payload);
    tuf::TargetEntry entry;
    entry.path = "payloads/pos/" + payload.hex.substr(0, 12) + "/rootfs/full";
    entry.role = "deltas";
    entry.length = payload.identity.size;
    entry.sha256 = payload.identity.name;
    json::Value chunks;
    chunks.Set("length", payload.identity.list_length);
    chunks.Set("sha256", ToHex(payload.identity.list_sha256));
    entry.custom.Set("kind", "full");
    entry.custom.Set("chunks", std::move(chunks));
    repository->Put(std::move(entry));
  }
  const Status published = repository->Publish(roles_, {}, now);
  ASSERT_TRUE(published.ok()) << published.error().what;
}

void TestOrigin::FlipAt(const std::string& hex, uint64_t offset, int times) {
  const std::lock_guard lock(mutex_);
  flips_[hex] = {offset, times};
}

void TestOrigin::CutAfter(uint64_t bytes, int times) {
  const std::lock_guard lock(mutex_);
  cut_after_ = bytes;
  cut_times_ = times;
}

void TestOrigin::HoldAt(uint64_t bytes) { hold_at_ = bytes; }

void TestOrigin::Release() {
  hold_at_ = UINT64_MAX;
  changed_.notify_all();
}

void TestOrigin::AwaitHeld(unsigned answers) {
  std::unique_lock lock(mutex_);
  ASSERT_TRUE(changed_.wait_for(lock, std::chrono::seconds(20), [&] { return held_ >= answers; }));
}

void TestOrigin::ReplaceMetadata(const std::string& file, std::string text) {
  const std::lock_guard lock(mutex_);
  replaced_[file] = std::move(text);
}

uint64_t TestOrigin::sent_bytes(const std::string& hex) {
  const std::lock_guard lock(mutex_);
  return sent_[hex];
}

uint64_t TestOrigin::requests(const std::string& hex) {
  const std::lock_guard lock(mutex_);
  return seen_[hex].size();
}

std::vector<std::string> TestOrigin::ranges(const std::string& hex) {
  const std::lock_guard lock(mutex_);
  return seen_[hex];
}

void TestOrigin::OnRequest(std::shared_ptr<http::Exchange> exchange) {
  const auto path = http::PathSegments(exchange->request().raw_target);
  if (path.size() == 2 && path[0] == "a") return OnObject(exchange, path[1]);
  if (path.size() == 3 && path[1] == "tuf") return OnMetadata(exchange, path[2]);
  exchange->Respond(http::TextResponse(404, "no\n"));
}

void TestOrigin::OnMetadata(const std::shared_ptr<http::Exchange>& exchange, const std::string& file) {
  if (metadata_status != 0) return exchange->Respond(http::TextResponse(metadata_status, "switched off\n"));
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = replaced_.find(file); found != replaced_.end()) {
      return exchange->Respond(http::JsonResponse(200, found->second));
    }
  }
  const auto text = ReadTextFile(folder_.path() + "/tuf/" + file, 8 << 20);
  exchange->Respond(text.ok() ? http::JsonResponse(200, *text) : http::TextResponse(404, "no\n"));
}

void TestOrigin::OnObject(const std::shared_ptr<http::Exchange>& exchange, const std::string& hex) {
  const http::Request& request = exchange->request();
  std::shared_ptr<const Bytes> bytes;
  {
    const std::lock_guard lock(mutex_);
    if (request.method == "GET") seen_[hex].emplace_back(request.header("Range"));
    if (const auto found = objects_.find(hex); found != objects_.end()) bytes = found->second;
  }
  if (!required_token.empty() && request.header("Authorization") != "EdgeToken " + required_token) {
    return exchange->Respond(http::TextResponse(401, "no\n"));
  }
  if (status != 0) return exchange->Respond(http::TextResponse(status, std::string(100'000, 'x')));
  if (!bytes) return exchange->Respond(http::TextResponse(404, "no such object\n"));
  if (length_off_by != 0) {
    auto other = std::make_shared<Bytes>(*bytes);
    other->resize(static_cast<size_t>(static_cast<int64_t>(bytes->size()) + length_off_by));
    bytes = std::move(other);
  }
  http::RangeBody body;
  body.size = bytes->size();
  body.etag = "\"" + hex + "\"";
  body.make_stream = [this, exchange, hex, bytes](uint64_t first, uint64_t length) {
    return std::make_unique<Body>(*this, exchange, hex, bytes, first, length);
  };
  http::Request asked;  // what we pretend to have been asked
  asked.method = request.method;
  if (!ignore_ranges) asked.headers = request.headers;
  const http::RangeSelection selection = http::SelectRange(request.header("Range"), body.size);
  if (wrong_range && selection.verdict == http::RangeVerdict::kPartial) {
    const http::ByteRange& range = selection.ranges.front();
    const std::string later = std::to_string(range.first + 1) + "-" + std::to_string(range.first + range.length);
    asked.headers = {{"Range", "bytes=" + later}};
  }
  exchange->Respond(http::RangeResponse(asked, std::move(body)));
}

TestEdge::TestEdge(TestOrigin& origin) {
  options.data = data();
  options.origin.url = origin.url();
  options.origin.first_backoff_ms = 20;
  options.origin.longest_backoff_ms = 100;
  options.mirror.trusted_root_file = FileExists(origin.root_file()) ? origin.root_file() : "";
  options.mirror.fresh_ms = 0;
  options.mirror.fresh_while_down_ms = 0;
  options.handler.wait_ms = 10'000;
  options.server.loops = 1;
}

void TestEdge::Start() {
  const Fault* fault = nullptr;
  auto edge = Edge::Start(options, clock, &fault);
  ASSERT_TRUE(edge.ok()) << fault->what << ": " << edge.error().what;
  edge_ = std::move(*edge);
}

std::string TestEdge::url(const std::string& path) const {
  return "http://127.0.0.1:" + std::to_string(edge_->port()) + path;
}

Result<http::Reply> TestEdge::TryGet(const std::string& path, std::vector<http::HeaderField> headers,
                                     const char* method) {
  http::Client client{http::ClientOptions{}};
  http::Call call;
  call.method = method;
  call.url = url(path);
  call.headers = std::move(headers);
  call.max_reply_bytes = 64 << 20;
  return client.Send(call);
}

http::Reply TestEdge::Get(const std::string& path, std::vector<http::HeaderField> headers, const char* method) {
  auto reply = TryGet(path, std::move(headers), method);
  EXPECT_TRUE(reply.ok()) << path << ": " << (reply.ok() ? "" : reply.error().what);
  return reply.ok() ? std::move(*reply) : http::Reply{};
}

}  // namespace till::edge::testing
