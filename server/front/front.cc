#include "server/front/front.h"

#include "core/log.h"
#include "core/text.h"
#include "server/auth/gate.h"
#include "server/auth/operators.h"
#include "server/auth/origin.h"
#include "server/front/upload.h"
#include "server/mgmt/api.h"
#include "server/mgmt/artifacts.h"

namespace till::front {
namespace {

constexpr unsigned kWorkers = 8;
constexpr size_t kMaxQueued = 256;
constexpr uint64_t kMaxReplyBytes = uint64_t{32} << 20;
constexpr const char* kPassedOn[] = {"Accept", "Content-Type", "Authorization", "If-Match", "If-None-Match"};

http::Response Answer(const mgmt::Response& answer) {
  if (answer.body.empty()) return http::TextResponse(answer.status, "");
  http::Response response = http::JsonResponse(answer.status, answer.body);
  if (answer.status == 503) http::AddRetryAfter(response);
  return response;
}
http::Response Refuse(int status, const char* code, const char* message) {
  return Answer(mgmt::Refuse(status, code, message));
}

http::Response TurnAway(server::TurnedAway why) {
  switch (why) {
    case server::TurnedAway::kStranger:
      return Refuse(401, "unauthorized", "sign in with Basic or Bearer");
    case server::TurnedAway::kLater:
      return Refuse(429, "tooManySignIns", "too many sign-ins: wait as long as Retry-After says");
    case server::TurnedAway::kForeign:
      break;
  }
  return Refuse(403, "foreignOrigin", "another site's page sent this");
}

http::Response Busy() { return Refuse(503, "busy", "too many calls are waiting"); }

struct ArtifactPath {
  server::SoftwareModuleId module{};
  server::ArtifactId artifact{};
};

// /rest/v1/softwaremodules/{id}/artifacts
std::optional<ArtifactPath> AsUpload(const http::Request& request) {
  const auto segments = http::PathSegments(request.raw_target.substr(0, request.raw_target.find('?')));
  if (request.method != "POST" || segments.size() != 5) return std::nullopt;
  if (segments[2] != "softwaremodules" || segments[4] != "artifacts") return std::nullopt;
  const auto module = ParseUint(segments[3]);
  return ArtifactPath{static_cast<server::SoftwareModuleId>(module.ok() ? *module : 0), {}};
}

// /rest/v1/softwaremodules/{id}/artifacts/{id}/download
std::optional<ArtifactPath> AsDownload(const http::Request& request) {
  const auto segments = http::PathSegments(request.raw_target.substr(0, request.raw_target.find('?')));
  if ((request.method != "GET" && request.method != "HEAD") || segments.size() != 7) return std::nullopt;
  const bool path = segments[2] == "softwaremodules" && segments[4] == "artifacts" && segments[6] == "download";
  if (!path) return std::nullopt;
  const auto module = ParseUint(segments[3]);
  const auto artifact = ParseUint(segments[5]);
  return ArtifactPath{static_cast<server::SoftwareModuleId>(module.ok() ? *module : 0),
                      static_cast<server::ArtifactId>(artifact.ok() ? *artifact : 0)};
}

// What may stand in a header line of ours.
bool IsCleanTarget(std::string_view target) {
  if (!target.starts_with('/')) return false;
  for (const char c : target) {
    if (static_cast<unsigned char>(c) <= 0x20 || c == 0x7f || c == '#') return false;
  }
  return true;
}

}  // namespace

Result<std::unique_ptr<Front>> Front::Start(server::Hub& hub) {
  auto plane = TILL_TRY(mgmt::Plane::Start(hub));
  return std::unique_ptr<Front>(new Front(hub, std::move(plane)));
}

Front::Front(server::Hub& hub, std::unique_ptr<mgmt::Plane> plane)
    : hub_(hub), plane_(std::move(plane)), workers_(kWorkers, kMaxQueued) {}

bool Front::Takes(const http::Request& request) {
  return request.path == "/rest/v1" || request.path.starts_with("/rest/v1/");
}

Result<std::string> Front::Origin(const http::Request& request) const {
  return server::PublicOrigin(request, hub_.base_url, hub_.trusted_proxies);
}

http::BodyPlan Front::OnHead(const http::Request& request) {
  if (!IsCleanTarget(request.raw_target)) {
    http::BodyPlan plan;
    plan.refuse = Refuse(400, "rest.malformed", "the path is malformed");
    return plan;
  }
  return server::ForOperators(hub_, request, TurnAway, [this](const http::Request& known) { return PlanFor(known); });
}

// How an operator's body is taken.
http::BodyPlan Front::PlanFor(const http::Request& request) {
  http::BodyPlan plan;
  plan.max_bytes = mgmt::kMaxManagementBodyBytes;
  if (!AsUpload(request)) return plan;
  const auto boundary = MultipartBoundary(request.header("Content-Type"));
  if (!boundary.ok()) {
    plan.refuse = Refuse(415, "artifact.uploadFailed", "an upload is multipart/form-data with a boundary");
    return plan;
  }
  auto upload = hub_.artifacts.Begin(hub_.max_artifact_bytes);
  if (!upload.ok()) {
    log::Warn("an upload cannot begin", {{"error", upload.error()}});
    plan.refuse = IsDiskFull(upload.error())
                      ? Refuse(507, "artifact.uploadFailed", "the artifact directory takes no file")
                      : Answer(mgmt::ErrorResponse(upload.error()));
    return plan;
  }
  plan.max_bytes = hub_.max_artifact_bytes + (uint64_t{1} << 20);  // the form around it
  plan.sink = std::make_unique<UploadSink>(*boundary, std::move(*upload));
  return plan;
}

void Front::OnRequest(std::shared_ptr<http::Exchange> exchange) {
  const auto job = [this, exchange] {
    if (exchange->gone()) return;
    const http::Request& request = exchange->request();
    if (exchange->body_sink() != nullptr) return exchange->Respond(FinishUpload(*exchange));
    exchange->Respond(AsDownload(request) ? Download(request) : Forward(request));
  };
  if (!workers_.Post(job)) exchange->Respond(Busy());
}

http::Response Front::Forward(const http::Request& request) {
  const auto origin = Origin(request);
  if (!origin.ok()) return Refuse(400, "rest.malformed", "the Host header is malformed");
  thread_local http::Client client([] {
    http::ClientOptions options;
    options.user_agent = "tillhub-front";
    options.connect_timeout_ms = 5'000;
    return options;
  }());
  http::Call call;
  call.method = request.method == "HEAD" ? "GET" : request.method;
  call.url = "http://127.0.0.1:" + std::to_string(plane_->port()) + "/";
  call.body = request.body;
  call.max_reply_bytes = kMaxReplyBytes;
  for (const char* name : kPassedOn) {
    if (request.has_header(name)) call.headers.push_back({name, std::string(request.header(name))});
  }
  call.headers.push_back({mgmt::kFrontHeader, plane_->secret()});
  call.headers.push_back({mgmt::kTargetHeader, request.raw_target});
  call.headers.push_back({mgmt::kOriginHeader, *origin});
  call.headers.push_back({mgmt::kClientHeader, request.peer});
  auto reply = client.Send(call);
  if (!reply.ok()) {
    log::Warn("the management plane does not answer", {{"error", reply.error()}});
    return Refuse(502, "plane", "the management plane does not answer");
  }
  http::Response response;
  response.status = reply->status;
  for (const char* name : {"Content-Type", "WWW-Authenticate", "Cache-Control"}) {
    if (!reply->header(name).empty()) response.headers.push_back({name, std::string(reply->header(name))});
  }
  if (response.status == 503) http::AddRetryAfter(response);
  response.headers.push_back({"X-Content-Type-Options", "nosniff"});
  response.body = std::move(reply->body);
  return response;
}

http::Response Front::FinishUpload(http::Exchange& exchange) {
  const http::Request& request = exchange.request();
  auto& sink = static_cast<UploadSink&>(*exchange.body_sink());  // the only sink OnHead() gives
  const auto who = hub_.operators.Known(request.header("Authorization"));
  if (!who) return TurnAway(server::TurnedAway::kStranger);  // removed since the head came
  if (!mgmt::Allows(*who, mgmt::Permission::kCreateRepository)) {
    return Refuse(403, "insufficientpermission", "not allowed");
  }
  const auto origin = Origin(request);
  if (!origin.ok()) return Refuse(400, "rest.malformed", "the Host header is malformed");
  if (const Status complete = sink.Finish(); !complete.ok()) {
    return Refuse(400, "artifact.uploadFailed", complete.error().what);
  }
  mgmt::UploadClaims claims = sink.claims();
  const auto take = [&](const char* name, std::string& claim) {
    if (const auto value = request.QueryParameter(name); value && !value->empty()) claim = *value;
  };
  take("filename", claims.filename);
  take("md5sum", claims.md5);
  take("sha1sum", claims.sha1);
  take("sha256sum", claims.sha256);
  const mgmt::Call call{hub_, request, *who, *origin, hub_.clock.UnixMs(), {}, {}};
  const auto answer = mgmt::FileArtifact(call, AsUpload(request)->module, claims, sink.upload());
  return Answer(answer.ok() ? *answer : mgmt::ErrorResponse(answer.error()));
}

http::Response Front::Download(const http::Request& request) {
  const auto who = hub_.operators.Known(request.header("Authorization"));
  if (!who) return TurnAway(server::TurnedAway::kStranger);  // removed since the head came
  if (!mgmt::Allows(*who, mgmt::Permission::kReadRepository)) {
    return Refuse(403, "insufficientpermission", "not allowed");
  }
  const ArtifactPath path = *AsDownload(request);
  const mgmt::Call call{hub_, request, *who, "", hub_.clock.UnixMs(), {}, {}};
  const auto artifact = mgmt::FindArtifact(call, path.module, path.artifact);
  if (!artifact.ok()) return Answer(mgmt::ErrorResponse(artifact.error()));
  auto blob = hub_.artifacts.OpenBlob(artifact->sha256);
  if (!blob.ok()) return Answer(mgmt::ErrorResponse(blob.error()));
  const auto file = std::make_shared<const UniqueFd>(std::move(*blob));  // shared by the streams of one answer
  http::RangeBody body;
  body.size = artifact->size;
  body.etag = "\"" + artifact->sha1 + "\"";
  body.make_stream = [file](uint64_t first, uint64_t length) { return http::FileStream(file, first, length); };
  http::Response response = http::RangeResponse(request, std::move(body));
  response.headers.push_back({"Content-Disposition", "attachment;filename=\"" + artifact->filename + "\""});
  response.headers.push_back({"X-Content-Type-Options", "nosniff"});
  return response;
}

}  // namespace till::front
