// GET softwaremodules/{id}/artifacts[/{filename}[.MD5SUM]] (DDI A9).
#include <algorithm>

#include "core/text.h"
#include "server/artifacts/artifact_store.h"
#include "server/ddi/artifact_range.h"
#include "server/ddi/ddi_handler.h"
#include "server/ddi/deployment.h"
#include "server/model/operations.h"
#include "server/store/actions.h"
#include "server/store/software.h"
#include "server/store/targets.h"

namespace till::server {
namespace {

constexpr std::string_view kMd5Suffix = ".MD5SUM";

// A file of a module as this target may have it: an upload, or the payload chosen for it.
struct Granted {
  Blob blob;
  std::string filename;
  int64_t modified_ms = 0;
  ActionId action{};
};

const DeploymentPart* PartOf(const Deployment& deployment, SoftwareModuleId module) {
  for (const DeploymentPart& part : deployment.parts) {
    if (part.module.id == module) return &part;
  }
  return nullptr;
}

std::optional<Granted> FileOf(const DeploymentPart& part, std::string_view filename, const Action& action) {
  if (part.choice.payload && part.choice.payload->filename == filename) {
    return Granted{part.blob, std::string(filename), action.audit.created_at_ms, action.id};
  }
  if (const Artifact* artifact = part.module.FindArtifact(filename)) {
    return Granted{Blob{artifact->sha256, artifact->sha1, artifact->md5, artifact->size}, artifact->filename,
                   artifact->audit.created_at_ms, action.id};
  }
  return std::nullopt;
}

// Quoted, with what would break out of the quotes taken out.
std::string Disposition(const std::string& filename) {
  std::string safe;
  for (const char c : filename) {
    const bool breaks = c == '"' || c == '\\' || static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
    safe += breaks ? '_' : c;
  }
  const bool plain = safe.find_first_of(" ;,") == std::string::npos;
  return "attachment;filename=" + (plain ? safe : "\"" + safe + "\"");
}

http::Response ServeFile(const http::Request& request, const Granted& file, UniqueFd opened, AccessLog& access_log) {
  const std::string modified = HttpDate(file.modified_ms / 1000);
  const ArtifactAsk ask = ReadArtifactAsk(request, file.blob.sha1, modified);
  http::Response response;
  if (!ask.precondition_holds) {
    response.status = 412;
    return response;
  }
  const auto shared = std::make_shared<const UniqueFd>(std::move(opened));  // by the streams of all ranges
  http::RangeBody body;
  body.size = file.blob.size;
  body.strict_syntax = true;
  body.etag = "\"" + file.blob.sha1 + "\"";
  body.make_stream = [&access_log, shared, base = LineOf(request, file.blob.sha256), whole = file.blob.size](
                         uint64_t first, uint64_t length) {
    AccessLog::Line line = base;
    line.status = length == whole ? 200 : 206;
    line.first = first;
    line.asked = length;
    return access_log.Watch(http::FileStream(shared, first, length), std::move(line));
  };
  response = http::RangeResponse(ask.request, std::move(body));
  response.headers.push_back({"Last-Modified", modified});
  response.headers.push_back({"Content-Disposition", Disposition(file.filename)});
  response.headers.push_back({"X-Content-Type-Options", "nosniff"});
  return response;
}

}  // namespace

DdiHandler::Outcome DdiHandler::ListArtifacts(kv::ReadTxn& txn, const DdiCall& call) {
  const auto number = ParseUint(call.rest[1]);
  const auto module = static_cast<SoftwareModuleId>(number.ok() ? *number : 0);
  const auto target = GetTarget(txn, call.controller_id);
  if (!target.ok()) return Refuse(DdiFault::kNotFound);
  std::vector<Action> actions = TILL_TRY(ActiveActionsOf(txn, call.controller_id));
  std::erase_if(actions, [](const Action& action) { return action.canceling(); });
  if (IsSet(target->installed_action)) actions.push_back(TILL_TRY(GetAction(txn, target->installed_action)));
  for (const Action& action : actions) {
    const Deployment deployment = TILL_TRY(PlanDeployment(txn, hub_.releases.Current(), action));
    if (const DeploymentPart* part = PartOf(deployment, module)) {
      return Now(DdiJson(call.request(), ArtifactsJson(*part, call.target_url)));
    }
  }
  return Refuse(DdiFault::kNotFound);
}

DdiHandler::Outcome DdiHandler::GetArtifact(kv::ReadTxn& txn, const DdiCall& call) {
  const auto number = ParseUint(call.rest[1]);
  const auto module = static_cast<SoftwareModuleId>(number.ok() ? *number : 0);
  const std::string& asked = call.rest[3];
  const bool md5 = asked.ends_with(kMd5Suffix);
  const std::string filename = md5 ? asked.substr(0, asked.size() - kMd5Suffix.size()) : asked;
  const std::vector<Action> actions = TILL_TRY(ActiveActionsOf(txn, call.controller_id));
  std::optional<Granted> file;
  for (const Action& action : actions) {
    const Deployment deployment = TILL_TRY(PlanDeployment(txn, hub_.releases.Current(), action));
    const DeploymentPart* part = PartOf(deployment, module);
    if (part && !file) file = FileOf(*part, filename, action);
  }
  if (!file) return Refuse(DdiFault::kNotFound);
  if (md5) return Now(http::TextResponse(200, file->blob.md5 + "  " + file->filename));
  auto opened = hub_.artifacts.OpenBlob(file->blob.sha256);
  if (!opened.ok() && opened.error().code == ErrorCode::kNotFound) return Refuse(DdiFault::kNotFound);
  if (!opened.ok()) return Now(StoreTrouble(call.request(), opened.error()));
  const http::Request& request = call.request();
  DdiOutcome outcome = Now(ServeFile(request, *file, std::move(*opened), access_log_));
  // Ranges log nothing: a client that fetches in small pieces must cost no writes.
  if (request.method != "GET" || outcome.response->status != 200 || request.has_header("Range")) return outcome;
  outcome.background = true;
  outcome.job = [id = file->action, uri = request.path, now_ms = hub_.clock.UnixMs()](kv::WriteTxn& write) -> Status {
    auto action = GetAction(write, id);
    if (!action.ok() || !action->active || action->status_count >= kMaxIntermediateStatuses) return Ok();
    return NoteOnAction(write, *action, ActionState::kDownload, "Target downloads " + uri, now_ms);
  };
  return outcome;
}

}  // namespace till::server
