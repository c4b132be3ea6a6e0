#include "cdn-edge/handler.h"

#include <algorithm>

#include "cdn-edge/object_stream.h"
#include "core/json/json.h"
#include "core/text.h"

namespace till::edge {
namespace {

constexpr unsigned kAskers = 4;
constexpr unsigned kSizers = 2;
constexpr unsigned kLoaders = 2;
constexpr size_t kMaxQueued = 4096;
constexpr int64_t kLookAgainMs = 500;  // a waiting answer looks this often whether there is any hope
constexpr uint64_t kLargestPlainObject = uint64_t{4} << 30;

// Exactly the spelling we give out: one object, one URL.
bool IsObjectName(std::string_view text) {
  return text.size() == 64 &&
         std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

}  // namespace

struct EdgeHandler::Pending {
  ExchangePtr exchange;
  Catalog::Object object;
  std::vector<http::ByteRange> ranges;  // asked for
  int64_t since_ms = 0;
  bool vouched = false;
  CacheVerdict verdict = CacheVerdict::kMiss;
  bool collapsed = false;
  http::Response response;
  // The status, once the answer is given to the server; 0 for what is refused instead, and logged so. Shared with the
  // streams of the response.
  std::shared_ptr<int> status = std::make_shared<int>(0);
};

EdgeHandler::EdgeHandler(Parts parts, HandlerOptions options)
    : parts_(parts),
      options_(std::move(options)),
      courier_(std::make_unique<Courier>(parts_.link)),
      asks_(kAskers, kMaxQueued),
      sizes_(kSizers, kMaxQueued),
      loads_(kLoaders, kMaxQueued) {}

EdgeHandler::~EdgeHandler() = default;

void EdgeHandler::OnRequest(ExchangePtr exchange) {
  const http::Request& request = exchange->request();
  const std::vector<std::string> path = http::PathSegments(request.raw_target);
  const bool reads = request.method == "GET" || request.method == "HEAD";
  if (path.size() == 2 && path[0] == "a") {
    if (reads) return OnObject(exchange, path[1]);
    return Refuse(exchange, MethodNotAllowed(), "");
  }
  if (!reads) return exchange->Respond(MethodNotAllowed());
  if (path.size() == 3 && path[0] == options_.tenant && path[1] == "tuf") return OnMetadata(exchange, path[2]);
  if (path.size() == 1 && path[0] == "healthz")
    return exchange->Respond(http::JsonResponse(200, "{\"status\":\"ok\"}\n"));
  if (path.size() == 1 && path[0] == "status") return exchange->Respond(StatusResponse());
  exchange->Respond(NotFound());
}

// --- Objects ---

void EdgeHandler::OnObject(const ExchangePtr& exchange, std::string_view name_text) {
  ++parts_.counters.requests;
  if (!IsObjectName(name_text)) return Refuse(exchange, BadName(), "");
  const crypto::Sha256Digest name = crypto::ParseSha256(name_text).value();
  if (const Catalog::Object object = parts_.catalog.FindLive(name)) return Answer(exchange, object);
  Resolve(exchange, name);
}

void EdgeHandler::Resolve(const ExchangePtr& exchange, const crypto::Sha256Digest& name) {
  {
    const std::lock_guard lock(mutex_);
    auto [waiting, is_new] = resolving_.try_emplace(name);
    waiting->second.push_back(exchange);
    if (!is_new) return;
  }
  if (!loads_.Post([this, name] { Load(name); })) Resolved(name, Error{ErrorCode::kUnavailable, "too many wait"});
}

void EdgeHandler::Load(const crypto::Sha256Digest& name) {
  auto stored = parts_.catalog.Find(name);
  const std::optional<Identity> identity = stored.ok() ? std::nullopt : parts_.mirror.FindObject(name);
  const bool absent = !stored.ok() && stored.error().code == ErrorCode::kNotFound;
  if (absent && identity) stored = parts_.catalog.Create(*identity);
  if (stored.ok() || stored.error().code != ErrorCode::kNotFound) return Resolved(name, stored);
  if (KnownAbsent(name)) return Resolved(name, Error{ErrorCode::kNotFound, "no such object"});
  if (!sizes_.Post([this, name] { AskOrigin(name); })) Resolved(name, Error{ErrorCode::kUnavailable, "too many wait"});
}

void EdgeHandler::AskOrigin(const crypto::Sha256Digest& name) { Resolved(name, FindOrMake(name)); }

void EdgeHandler::Resolved(const crypto::Sha256Digest& name, const Result<Catalog::Object>& object) {
  std::vector<ExchangePtr> waiting;
  {
    const std::lock_guard lock(mutex_);
    if (!object.ok() && object.error().code == ErrorCode::kNotFound) RememberAbsent(name);
    waiting = std::move(resolving_.extract(name).mapped());
  }
  const std::string text = ToHex(name);
  for (const ExchangePtr& exchange : waiting) {
    if (object.ok()) {
      Answer(exchange, *object);
    } else if (object.error().code == ErrorCode::kNotFound) {
      Refuse(exchange, NotFound(), text);
    } else {
      Refuse(exchange, TryLater(), text);
    }
  }
}

// Neither stored nor signed as far as we know: perhaps it is new; else it is as long as the origin says, and nobody
// vouches for it but its own name.
Result<Catalog::Object> EdgeHandler::FindOrMake(const crypto::Sha256Digest& name) {
  (void)parts_.mirror.Refresh();  // its failure is logged there; the object may still be a plain one
  std::optional<Identity> identity = parts_.mirror.FindObject(name);
  if (!identity) {
    const uint64_t size = TILL_TRY(AskSize(name));
    if (size == 0 || size > kLargestPlainObject) return Error{ErrorCode::kNotFound, "no object of a usable size"};
    identity = Identity{name, size, 0, {}};
  }
  return parts_.catalog.Create(*identity);
}

// Through an outage, as a client would wait for a byte.
Result<uint64_t> EdgeHandler::AskSize(const crypto::Sha256Digest& name) {
  const int64_t give_up_ms = parts_.clock.MonotonicMs() + options_.wait_ms;
  const std::lock_guard lock(courier_mutex_);
  for (;;) {
    const int64_t backoff_ms = parts_.link.BackoffMs();
    if (backoff_ms == 0) {
      auto size = courier_->ObjectSize(name);
      if (size.ok() || size.error().code != ErrorCode::kUnavailable) return size;
    }
    if (parts_.link.canceled() || parts_.clock.MonotonicMs() >= give_up_ms || parts_.link.hopeless(options_.wait_ms)) {
      return Error{ErrorCode::kUnavailable, "the origin does not answer"};
    }
    parts_.clock.SleepMs(std::clamp<int64_t>(parts_.link.BackoffMs(), 1, 50));
  }
}

bool EdgeHandler::KnownAbsent(const crypto::Sha256Digest& name) {
  const std::lock_guard lock(mutex_);
  const auto found = absent_.find(name);
  return found != absent_.end() && parts_.clock.MonotonicMs() < found->second;
}

void EdgeHandler::RememberAbsent(const crypto::Sha256Digest& name) {  // with mutex_ held
  const int64_t now_ms = parts_.clock.MonotonicMs();
  if (absent_.size() >= options_.max_absent_names) {
    std::erase_if(absent_, [&](const auto& one) { return one.second <= now_ms; });
    if (absent_.size() >= options_.max_absent_names) absent_.clear();
  }
  // A name seen absent keeps its first deadline: asking again and again must not keep a new object away.
  auto [found, is_new] = absent_.try_emplace(name, now_ms + options_.absent_ms);
  if (!is_new && found->second <= now_ms) found->second = now_ms + options_.absent_ms;
}

// What the request asks for, and how much of it is here.
void EdgeHandler::Judge(Pending& pending) const {
  const http::Request& request = pending.exchange->request();
  const Identity& identity = pending.object->identity();
  pending.vouched = pending.object->vouched();
  http::RangeSelection selection;
  if (pending.vouched) selection = http::SelectRange(request.header("Range"), identity.size);
  if (request.has_header("If-Range") && request.header("If-Range") != StrongEtag(identity.name)) selection = {};
  if (selection.verdict != http::RangeVerdict::kPartial) selection.ranges = {{0, identity.size}};
  pending.ranges = std::move(selection.ranges);
  const bool all = std::ranges::all_of(pending.ranges, [&](const http::ByteRange& range) {
    return pending.object->HoldsAll(range.first, range.length);
  });
  pending.collapsed = pending.object->has_waiters();
  pending.verdict = all                                  ? CacheVerdict::kHit
                    : pending.object->stored_bytes() > 0 ? CacheVerdict::kPartial
                                                         : CacheVerdict::kMiss;
}

void EdgeHandler::Answer(const ExchangePtr& exchange, const Catalog::Object& object) {
  auto pending = std::make_shared<Pending>();
  pending->exchange = exchange;
  pending->object = object;
  pending->since_ms = parts_.clock.MonotonicMs();
  Judge(*pending);
  pending->response = ObjectResponse(*pending);
  ++(pending->verdict == CacheVerdict::kHit ? parts_.counters.hits : parts_.counters.misses);
  // What has no body needs no byte: HEAD, 304, 412, 416.
  const bool needs_bytes = exchange->request().method != "HEAD" && pending->response.stream != nullptr;
  if (!needs_bytes || object->IsReady(pending->ranges.front().first)) return Send(*pending);
  Await(pending);
}

http::Response EdgeHandler::ObjectResponse(const Pending& pending) const {
  const Identity& identity = pending.object->identity();
  AccessLine line = LineFor(pending.exchange->request(), ToHex(identity.name));
  line.cache = CacheVerdictName(pending.verdict);
  auto make_stream = [this, line, object = pending.object, exchange = pending.exchange, status = pending.status](
                         uint64_t first, uint64_t length) -> std::unique_ptr<http::BodyStream> {
    auto stream =
        std::make_unique<ObjectStream>(ObjectStream::Context{object, exchange, parts_.filler, parts_.link,
                                                             parts_.catalog.memory(), parts_.clock, options_.wait_ms},
                                       first, length);
    auto done = [this, line, first, length, status](uint64_t sent_bytes, bool complete) mutable {
      if (*status == 0) return;
      parts_.counters.bytes_served += sent_bytes;
      line.status = *status;
      line.first = first;
      line.asked = length;
      line.sent = sent_bytes;
      line.complete = complete;
      parts_.access_log.Write(line);
    };
    return std::make_unique<MeteredStream>(std::move(stream), std::move(done));
  };
  http::Response response;
  if (pending.vouched) {
    http::RangeBody body;
    body.size = identity.size;
    body.etag = StrongEtag(identity.name);
    body.make_stream = std::move(make_stream);
    response = http::RangeResponse(pending.exchange->request(), std::move(body));
  } else {
    response = WholeResponse(pending.exchange->request(), identity.size, make_stream);
  }
  Freshness freshness;
  if (pending.vouched) freshness.name = identity.name;
  freshness.age_s = std::max<int64_t>(0, parts_.clock.UnixMs() / 1000 - parts_.catalog.StoredSince(identity.name));
  freshness.verdict = pending.verdict;
  freshness.collapsed = pending.collapsed;
  AddObjectHeaders(freshness, response);
  return response;
}

// Sends the answer if its first byte is there, refuses if it cannot come, else leaves a waiter that comes back here.
void EdgeHandler::Await(const PendingPtr& pending) {
  if (pending->exchange->gone()) return;
  const int64_t now_ms = parts_.clock.MonotonicMs();
  // Not since it asked, but since anything last came: behind a slow link there are others before it.
  const int64_t deadline_ms = std::max(pending->since_ms, parts_.link.progress_ms()) + options_.wait_ms;
  Waiter waiter;
  waiter.since_ms = pending->since_ms;
  waiter.deadline_ms = std::min(deadline_ms, now_ms + kLookAgainMs);
  waiter.wants = pending->ranges.front().length;
  waiter.wake = [this, pending] { Await(pending); };
  const uint64_t first = pending->ranges.front().first;
  const bool hopeless = parts_.link.hopeless(options_.wait_ms) && !pending->object->HoldsAll(first, 1);
  const bool enough = hopeless || now_ms >= deadline_ms;
  const Run run = pending->object->Take(first, 1, enough ? nullptr : &waiter);
  const crypto::Sha256Digest& name = pending->object->identity().name;
  switch (run.kind) {
    case Run::Kind::kMemory:
      return Send(*pending);
    case Run::Kind::kMissing:
      if (enough) return Refuse(pending->exchange, TryLater(), ToHex(name));
      return parts_.filler.Schedule(pending->object);
    case Run::Kind::kFailed:
      if (run.trouble == Trouble::kRotten) return Resolve(pending->exchange, name);
      if (run.trouble == Trouble::kAbsent) return Refuse(pending->exchange, NotFound(), ToHex(name));
      if (run.trouble == Trouble::kWrongBytes) return Refuse(pending->exchange, WrongOrigin(), ToHex(name));
      return Refuse(pending->exchange, TryLater(), ToHex(name));
  }
}

void EdgeHandler::Send(Pending& pending) {
  if (pending.vouched != pending.object->vouched()) {  // all of it matched while this waited
    Judge(pending);
    pending.response = ObjectResponse(pending);
  }
  *pending.status = pending.response.status;
  if (!pending.response.stream) {
    AccessLine line = LineFor(pending.exchange->request(), ToHex(pending.object->identity().name));
    line.status = pending.response.status;
    line.cache = CacheVerdictName(pending.verdict);
    line.complete = true;
    parts_.access_log.Write(line);
  }
  pending.exchange->Respond(std::move(pending.response));
}

void EdgeHandler::Refuse(const ExchangePtr& exchange, http::Response response, std::string_view object) {
  AccessLine line = LineFor(exchange->request(), object);
  line.status = response.status;
  line.complete = true;
  parts_.access_log.Write(line);
  exchange->Respond(std::move(response));
}

AccessLine EdgeHandler::LineFor(const http::Request& request, std::string_view object) const {
  AccessLine line;
  line.peer = request.peer;
  line.agent = request.header("User-Agent");
  line.method = request.method;
  line.path = request.path;
  line.object = object;
  line.cache = "none";
  return line;
}

// --- Metadata ---

void EdgeHandler::OnMetadata(const ExchangePtr& exchange, const std::string& file) {
  if (!Mirror::IsFileName(file)) return exchange->Respond(NotFound());
  const auto text = parts_.mirror.File(file);
  // The timestamp says what is new, so it must be; everything else has its version in its name.
  if (text && (file != "timestamp.json" || parts_.mirror.fresh())) return RespondMetadata(exchange, file, *text);
  if (!asks_.Post([this, exchange, file] { FetchMetadata(exchange, file); })) exchange->Respond(TryLater());
}

void EdgeHandler::FetchMetadata(const ExchangePtr& exchange, const std::string& file) {
  const Status refreshed = parts_.mirror.Refresh();  // whatever it says, the last verified set serves on; logged there
  if (const auto text = parts_.mirror.File(file)) return RespondMetadata(exchange, file, *text);
  if (!refreshed.ok() && refreshed.error().code != ErrorCode::kNotFound) return exchange->Respond(TryLater());
  const auto root = parts_.mirror.PassOldRoot(file);
  if (root.ok()) return RespondMetadata(exchange, file, *root);
  exchange->Respond(root.error().code == ErrorCode::kNotFound ? NotFound() : TryLater());
}

void EdgeHandler::RespondMetadata(const ExchangePtr& exchange, const std::string& file, const std::string& text) {
  const std::string etag = StrongEtag(crypto::Sha256Of(AsBytes(text)));
  const bool known = exchange->request().header("If-None-Match") == etag;
  http::Response response = known ? http::Response{} : http::JsonResponse(200, text);
  if (known) response.status = 304;
  response.headers.push_back({"ETag", etag});
  response.headers.push_back({"Cache-Control", file == "timestamp.json" ? "no-cache" : "public, max-age=3600"});
  response.headers.push_back({"Via", "1.1 tilledge"});
  exchange->Respond(std::move(response));
}

// --- Status ---

http::Response EdgeHandler::StatusResponse() const {
  json::Value status;
  for (const auto& [name, count] : kCounterNames) status.Set(name, (parts_.counters.*count).load());
  status.Set("counted_since", FormatUtc(parts_.catalog.counted_since_unix_s()));
  status.Set("objects", static_cast<uint64_t>(parts_.catalog.object_count()));
  status.Set("bytes_stored", parts_.catalog.used_bytes());
  status.Set("bytes_max", parts_.catalog.max_bytes());
  status.Set("bytes_in_memory", parts_.catalog.memory().bytes());
  status.Set("origin", parts_.link.state());
  json::Value metadata;
  metadata.Set("objects", static_cast<uint64_t>(parts_.mirror.object_count()));
  for (const char* role : {"root", "timestamp", "snapshot", "targets", "deltas"}) {
    metadata.Set(role, parts_.mirror.Version(role));
  }
  status.Set("metadata", std::move(metadata));
  http::Response response = http::JsonResponse(200, json::Write(status) + "\n");
  response.headers.push_back({"Cache-Control", "no-store"});
  return response;
}

}  // namespace till::edge
