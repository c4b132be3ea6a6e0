#include "server/publish/publish_handler.h"

#include "core/crypto/hash.h"
#include "core/fault.h"
#include "core/file.h"
#include "core/json/json.h"
#include "core/log.h"
#include "core/text.h"
#include "server/artifacts/artifact_store.h"
#include "server/auth/credentials.h"
#include "server/auth/gate.h"
#include "server/faults.h"
#include "server/store/writer.h"

namespace till::server {
namespace {

using http::Exchange;
using http::Request;
using http::Response;

constexpr uint64_t kMaxMetadataBytes = 4 << 20;

Response Refuse(int status, const Fault& fault, std::string_view context, const Error* error) {
  return http::JsonResponse(status, FormatFaultJson(fault, context, error));
}

// Of our own trouble with what is sent to us: a full disk or store is 507, for what passes by itself see core/http.
Response Trouble(const std::string& context, const Error& error) {
  const int status = IsDiskFull(error) || error.code == ErrorCode::kLimit ? 507 : http::StatusOfFailure(error);
  Response response = Refuse(status, faults::kStoreFailed, context, &error);
  http::AddRetryAfter(response);
  return response;
}

// Feeds an upload; the loop thread writes to the page cache, the fsync comes later on a worker.
class BlobSink : public http::BodySink {
 public:
  explicit BlobSink(std::unique_ptr<ArtifactStore::Upload> upload) : upload_(std::move(upload)) {}
  Status Write(ByteView bytes) override { return upload_->Write(bytes); }
  ArtifactStore::Upload& upload() { return *upload_; }
  void Discard() { upload_.reset(); }  // at once, not when the exchange ends

 private:
  std::unique_ptr<ArtifactStore::Upload> upload_;
};

enum class Route : uint8_t { kNone, kBlob, kStage, kEdge, kMetadata };
struct Routed {
  Route route = Route::kNone;
  std::string name;  // hash or file name
};

Routed RouteOf(const Request& request, const std::string& tenant) {
  const std::vector<std::string> parts = http::PathSegments(request.raw_target);
  if (parts.size() == 4 && parts[0] == "api" && parts[1] == "v1") {
    if (parts[2] == "blobs") return {Route::kBlob, parts[3]};
    if (parts[2] == "tuf") return {Route::kStage, parts[3]};
  }
  if (parts.size() == 2 && parts[0] == "a") return {Route::kEdge, parts[1]};
  if (parts.size() == 3 && parts[1] == "tuf" && EqualsIgnoreCase(parts[0], tenant)) return {Route::kMetadata, parts[2]};
  return {};
}

bool IsRead(const Request& request) { return request.method == "GET" || request.method == "HEAD"; }

Response NotAllowed(const char* methods) {
  Response response = http::TextResponse(405, "");
  response.headers.push_back({"Allow", methods});
  return response;
}

}  // namespace

bool PublishHandler::Takes(const Request& request) const { return RouteOf(request, hub_.tenant).route != Route::kNone; }

http::BodyPlan PublishHandler::OnHead(const Request& request) {
  const Routed routed = RouteOf(request, hub_.tenant);
  if (routed.route == Route::kBlob || routed.route == Route::kStage) {
    return ForOperators(hub_, request, FaultRefusal, [this](const Request& known) { return PlanFor(known); });
  }
  http::BodyPlan plan;
  plan.max_bytes = 0;
  return plan;
}

// How an operator's body is taken.
http::BodyPlan PublishHandler::PlanFor(const Request& request) {
  const Routed routed = RouteOf(request, hub_.tenant);
  http::BodyPlan plan;
  plan.max_bytes = routed.route == Route::kStage && request.method == "PUT" ? kMaxMetadataBytes : 0;
  if (routed.route != Route::kBlob || request.method != "PUT") return plan;
  if (!crypto::ParseSha256(routed.name).ok()) {
    plan.refuse = Refuse(400, faults::kBadBlob, "the name is not a SHA-256", nullptr);
    return plan;
  }
  auto upload = hub_.artifacts.Begin(hub_.max_artifact_bytes);
  if (!upload.ok()) {
    plan.refuse = Trouble(routed.name, upload.error());
    return plan;
  }
  plan.max_bytes = hub_.max_artifact_bytes;
  plan.sink = std::make_unique<BlobSink>(std::move(*upload));
  return plan;
}

void PublishHandler::OnRequest(std::shared_ptr<Exchange> exchange) {
  const Request& request = exchange->request();
  const Routed routed = RouteOf(request, hub_.tenant);
  switch (routed.route) {
    case Route::kMetadata:
      return exchange->Respond(IsRead(request) ? ServeMetadata(request, routed.name) : NotAllowed("GET, HEAD"));
    case Route::kEdge:
      return exchange->Respond(IsRead(request) ? ServeBlob(request, routed.name) : NotAllowed("GET, HEAD"));
    case Route::kStage:
      if (request.method != "PUT") return exchange->Respond(NotAllowed("PUT"));
      return OnWorker(exchange, [this, exchange, routed] { return StageMetadata(exchange->request(), routed.name); });
    case Route::kBlob:
      if (request.method == "PUT") return FinishBlob(exchange, ToLower(routed.name));
      if (!IsRead(request)) return exchange->Respond(NotAllowed("HEAD, GET, PUT"));
      return OnWorker(exchange, [this, exchange, routed] {
        const Request& asked = exchange->request();
        const auto held = Holds(ToLower(routed.name));
        if (!held.ok()) return Trouble(routed.name, held.error());
        if (!*held) return http::TextResponse(404, "");
        return asked.method == "HEAD" ? http::TextResponse(200, "") : BlobBytes(asked, ToLower(routed.name));
      });
    case Route::kNone:
      return exchange->Respond(http::TextResponse(404, ""));
  }
}

void PublishHandler::OnWorker(const std::shared_ptr<Exchange>& exchange, std::function<Response()> answer) {
  const bool taken = workers_.Post([exchange, answer = std::move(answer)] { exchange->Respond(answer()); });
  if (taken) return;
  Response busy = http::TextResponse(503, "");
  http::AddRetryAfter(busy);
  exchange->Respond(std::move(busy));
}

Response PublishHandler::ServeMetadata(const Request& request, const std::string& name) {
  const auto file = depot_.Find(name);
  if (!file) return http::TextResponse(404, "");
  const bool fresh = request.header("If-None-Match") == file->etag;
  Response response = http::JsonResponse(fresh ? 304 : 200, fresh ? "" : file->bytes);
  response.headers.push_back({"ETag", file->etag});
  // Numbered files never change; the timestamp is asked for every time.
  response.headers.push_back(
      {"Cache-Control", name == "timestamp.json" ? "no-cache" : "public, max-age=31536000, immutable"});
  return response;
}

Response PublishHandler::ServeBlob(const Request& request, const std::string& sha256) {
  constexpr std::string_view kScheme = "EdgeToken ";
  const std::string_view sent = request.header("Authorization");
  if (!sent.starts_with(kScheme)) return http::TextResponse(401, "");
  bool known = false;
  const Status read = hub_.store.View([&](kv::ReadTxn& txn) -> Status {
    known = TILL_TRY(FindToken(txn, TokenKind::kEdge, sent.substr(kScheme.size()))).has_value();
    return Ok();
  });
  if (!read.ok()) return Trouble("", read.error());
  if (!known) return http::TextResponse(401, "");
  return BlobBytes(request, sha256);
}

Response PublishHandler::BlobBytes(const Request& request, const std::string& sha256) {
  auto opened = hub_.artifacts.OpenBlob(sha256);
  if (!opened.ok()) return http::FailureResponse(opened.error());
  const auto size = FileSize(opened->get());
  if (!size.ok()) return http::FailureResponse(size.error());
  const auto file = std::make_shared<const UniqueFd>(std::move(*opened));
  http::RangeBody body;
  body.size = *size;
  body.etag = "\"" + sha256 + "\"";
  body.make_stream = [this, file, base = LineOf(request, sha256), whole = *size](uint64_t first, uint64_t length) {
    AccessLog::Line line = base;
    line.status = length == whole ? 200 : 206;
    line.first = first;
    line.asked = length;
    return access_log_.Watch(http::FileStream(file, first, length), std::move(line));
  };
  Response response = http::RangeResponse(request, std::move(body));
  response.headers.push_back({"Cache-Control", "public, max-age=31536000, immutable"});
  return response;
}

// Held means: the bytes and what the store knows of them (a stop may have come between the two).
Result<bool> PublishHandler::Holds(const std::string& sha256) const {
  bool known = false;
  TILL_TRY(hub_.store.View([&](kv::ReadTxn& txn) -> Status {
    known = TILL_TRY(FindBlob(txn, sha256)).has_value();
    return Ok();
  }));
  return known && hub_.artifacts.Has(sha256);
}

void PublishHandler::FinishBlob(const std::shared_ptr<Exchange>& exchange, const std::string& sha256) {
  auto* sink = static_cast<BlobSink*>(exchange->body_sink());
  if (!sink) return exchange->Respond(Refuse(411, faults::kBadBlob, "a body is wanted", nullptr));
  OnWorker(exchange, [this, sink, sha256, exchange]() -> Response {
    const auto blob = sink->upload().Finish();
    if (!blob.ok()) return Trouble(sha256, blob.error());
    if (blob->sha256 != sha256) {
      sink->Discard();
      return Refuse(400, faults::kBadBlob, "the bytes are " + blob->sha256 + ", not " + sha256, nullptr);
    }
    const auto held = Holds(sha256);
    if (!held.ok()) return Trouble(sha256, held.error());
    const bool known = *held;
    Status kept = known ? Ok() : sink->upload().Commit();
    sink->Discard();
    if (kept.ok()) kept = hub_.writer.Run([&](kv::WriteTxn& txn) { return PutBlob(txn, *blob); });
    if (!kept.ok()) return Trouble(sha256, kept.error());
    return http::JsonResponse(known ? 200 : 201, "{\"sha256\":\"" + sha256 + "\"}");
  });
}

Response PublishHandler::StageMetadata(const Request& request, const std::string& name) {
  const auto promoted = depot_.Stage(name, request.body);
  if (!promoted.ok()) {
    log::Warn("metadata refused", {{"file", name}, {"error", promoted.error()}});
    if (IsDiskFull(promoted.error())) return Refuse(507, faults::kStoreFailed, name, &promoted.error());
    return Refuse(400, faults::kBadMetadata, name, &promoted.error());
  }
  json::Value dropped = json::Value::Array();
  for (const std::string& file : promoted->dropped) dropped.Append(file);
  json::Value answer = json::Value::Object({{"published", promoted->published}});
  if (!promoted->dropped.empty()) answer.Set("dropped", std::move(dropped));
  return http::JsonResponse(200, json::Write(answer));
}

}  // namespace till::server
