// Every endpoint of /rest/v1, and nothing else: what is not here answers 404.
#include "core/log.h"
#include "core/text.h"
#include "server/mgmt/api.h"
#include "server/mgmt/resources.h"

namespace till::mgmt {
namespace {

struct Route {
  const char* method;
  const char* pattern;  // "{}" stands for one segment
  Permission permission;
  Handler handler;
};

using enum Permission;
constexpr Route kRoutes[] = {
    {"GET", "userinfo", kNone, user_info::Get},

    {"GET", "system/configs", kTenantConfiguration, configs::List},
    {"PUT", "system/configs", kTenantConfiguration, configs::PutAll},
    {"GET", "system/configs/{}", kTenantConfiguration, configs::Get},
    {"PUT", "system/configs/{}", kTenantConfiguration, configs::Put},
    {"DELETE", "system/configs/{}", kTenantConfiguration, configs::Delete},

    {"GET", "softwaremoduletypes", kReadRepository, types::ListModuleTypes},
    {"GET", "softwaremoduletypes/{}", kReadRepository, types::GetModuleType},
    {"GET", "distributionsettypes", kReadRepository, types::ListSetTypes},
    {"GET", "distributionsettypes/{}", kReadRepository, types::GetSetType},
    {"GET", "targettypes", kReadTarget, types::ListTargetTypes},

    {"GET", "targets", kReadTarget, targets::List},
    {"POST", "targets", kCreateTarget, targets::Create},
    {"GET", "targets/{}", kReadTarget, targets::Get},
    {"PUT", "targets/{}", kUpdateTarget, targets::Update},
    {"DELETE", "targets/{}", kDeleteTarget, targets::Delete},
    {"GET", "targets/{}/attributes", kReadTarget, targets::Attributes},
    {"GET", "targets/{}/assignedDS", kReadTarget, targets::AssignedSet},
    {"GET", "targets/{}/assignedDs", kReadTarget, targets::AssignedSet},
    {"GET", "targets/{}/installedDS", kReadTarget, targets::InstalledSet},
    {"GET", "targets/{}/installedDs", kReadTarget, targets::InstalledSet},
    {"POST", "targets/{}/assignedDS", kUpdateTarget, targets::Assign},
    {"POST", "targets/{}/assignedDs", kUpdateTarget, targets::Assign},
    {"GET", "targets/{}/metadata", kReadTarget, targets::ListMetadata},
    {"POST", "targets/{}/metadata", kUpdateTarget, targets::AddMetadata},
    {"GET", "targets/{}/metadata/{}", kReadTarget, targets::GetMetadata},
    {"PUT", "targets/{}/metadata/{}", kUpdateTarget, targets::PutMetadata},
    {"DELETE", "targets/{}/metadata/{}", kUpdateTarget, targets::DeleteMetadata},
    {"DELETE", "targets", kDeleteTarget, targets::DeleteNamed},
    {"GET", "targets/{}/autoConfirm", kReadTarget, targets::AutoConfirm},
    {"POST", "targets/{}/autoConfirm/activate", kUpdateTarget, targets::ActivateAutoConfirm},
    {"POST", "targets/{}/autoConfirm/deactivate", kUpdateTarget, targets::DeactivateAutoConfirm},
    {"GET", "targets/{}/actions", kReadTarget, actions::ListOfTarget},
    {"GET", "targets/{}/actions/{}", kReadTarget, actions::Get},
    {"PUT", "targets/{}/actions/{}", kUpdateTarget, actions::Update},
    {"DELETE", "targets/{}/actions/{}", kUpdateTarget, actions::Cancel},
    {"PUT", "targets/{}/actions/{}/confirmation", kUpdateTarget, actions::Confirm},
    {"GET", "targets/{}/actions/{}/status", kReadTarget, actions::Statuses},
    {"GET", "actions", kReadTarget, actions::ListAll},
    {"GET", "actions/{}", kReadTarget, actions::GetAny},
    {"DELETE", "actions/{}", kDeleteTarget, actions::EraseAny},

    {"GET", "softwaremodules", kReadRepository, modules::List},
    {"POST", "softwaremodules", kCreateRepository, modules::Create},
    {"GET", "softwaremodules/{}", kReadRepository, modules::Get},
    {"PUT", "softwaremodules/{}", kUpdateRepository, modules::Update},
    {"DELETE", "softwaremodules/{}", kDeleteRepository, modules::Delete},
    {"GET", "softwaremodules/{}/artifacts", kReadRepository, modules::Artifacts},
    {"GET", "softwaremodules/{}/artifacts/{}", kReadRepository, modules::GetArtifact},
    {"DELETE", "softwaremodules/{}/artifacts/{}", kDeleteRepository, modules::DeleteArtifact},
    {"GET", "softwaremodules/{}/metadata", kReadRepository, modules::ListMetadata},
    {"POST", "softwaremodules/{}/metadata", kUpdateRepository, modules::AddMetadata},
    {"GET", "softwaremodules/{}/metadata/{}", kReadRepository, modules::GetMetadata},
    {"PUT", "softwaremodules/{}/metadata/{}", kUpdateRepository, modules::PutMetadata},
    {"DELETE", "softwaremodules/{}/metadata/{}", kUpdateRepository, modules::DeleteMetadata},

    {"GET", "distributionsets", kReadRepository, sets::List},
    {"POST", "distributionsets", kCreateRepository, sets::Create},
    {"GET", "distributionsets/{}", kReadRepository, sets::Get},
    {"PUT", "distributionsets/{}", kUpdateRepository, sets::Update},
    {"DELETE", "distributionsets/{}", kDeleteRepository, sets::Delete},
    {"GET", "distributionsets/{}/assignedSM", kReadRepository, sets::Modules},
    {"POST", "distributionsets/{}/assignedSM", kUpdateRepository, sets::AddModules},
    {"DELETE", "distributionsets/{}/assignedSM/{}", kUpdateRepository, sets::RemoveModule},
    {"GET", "distributionsets/{}/assignedTargets", kReadTarget, sets::AssignedTargets},
    {"POST", "distributionsets/{}/assignedTargets", kUpdateTarget, sets::Assign},
    {"GET", "distributionsets/{}/installedTargets", kReadTarget, sets::InstalledTargets},
    {"GET", "distributionsets/{}/metadata", kReadRepository, sets::ListMetadata},
    {"POST", "distributionsets/{}/metadata", kUpdateRepository, sets::AddMetadata},
    {"GET", "distributionsets/{}/metadata/{}", kReadRepository, sets::GetMetadata},
    {"PUT", "distributionsets/{}/metadata/{}", kUpdateRepository, sets::PutMetadata},
    {"DELETE", "distributionsets/{}/metadata/{}", kUpdateRepository, sets::DeleteMetadata},

    {"GET", "rollouts", kReadRollout, rollouts::List},
    {"POST", "rollouts", kCreateRollout, rollouts::Create},
    {"GET", "rollouts/{}", kReadRollout, rollouts::Get},
    {"DELETE", "rollouts/{}", kDeleteRollout, rollouts::Delete},
    {"POST", "rollouts/{}/start", kHandleRollout, rollouts::Start},
    {"POST", "rollouts/{}/pause", kHandleRollout, rollouts::Pause},
    {"POST", "rollouts/{}/resume", kHandleRollout, rollouts::Resume},
    {"POST", "rollouts/{}/stop", kHandleRollout, rollouts::Stop},
    {"POST", "rollouts/{}/approve", kApproveRollout, rollouts::Approve},
    {"POST", "rollouts/{}/deny", kApproveRollout, rollouts::Deny},
    {"POST", "rollouts/{}/triggerNextGroup", kHandleRollout, rollouts::TriggerNextGroup},
    {"GET", "rollouts/{}/deploygroups", kReadRollout, rollouts::Groups},
    {"GET", "rollouts/{}/deploygroups/{}", kReadRollout, rollouts::GetGroup},
    {"GET", "rollouts/{}/deploygroups/{}/targets", kReadRollout, rollouts::GroupTargets},
};

bool MatchesRoute(const Route& route, const std::vector<std::string>& segments, std::vector<std::string>& captures) {
  captures.clear();
  size_t index = 0;
  for (std::string_view rest = route.pattern;; ++index) {
    const size_t slash = rest.find('/');
    const std::string_view part = rest.substr(0, slash);
    if (index >= segments.size()) return false;
    if (part == "{}") {
      if (segments[index].empty()) return false;
      captures.push_back(segments[index]);
    } else if (part != segments[index]) {
      return false;
    }
    if (slash == std::string_view::npos) return index + 1 == segments.size();
    rest.remove_prefix(slash + 1);
  }
}

// JSON only: a browser cannot be made to send it across sites without asking first.
bool IsJson(std::string_view content_type) {
  const std::string type = ToLower(Trim(content_type.substr(0, content_type.find(';'))));
  return type == "application/json" || type == "application/hal+json";
}

std::optional<Response> ReadBody(Call& call) {
  if (Trim(call.request.body).empty()) return std::nullopt;
  if (!IsJson(call.request.header("Content-Type"))) {
    return Refuse(415, "rest.body.unsupportedMediaType", "the body must be application/json");
  }
  auto body = json::Parse(call.request.body);
  if (!body.ok()) {
    return Refuse(400, "rest.body.notReadable", std::string("the body is no JSON we take: ") + body.error().what);
  }
  call.body = std::move(*body);
  return std::nullopt;
}

}  // namespace

Response Dispatch(Call& call, const std::vector<std::string>& segments) {
  const std::string_view method = call.request.method == "HEAD" ? "GET" : std::string_view(call.request.method);
  bool path_known = false;
  for (const Route& route : kRoutes) {
    if (!MatchesRoute(route, segments, call.captures)) continue;
    path_known = true;
    if (route.method != method) continue;
    if (!Allows(call.who, route.permission)) return Refuse(403, "insufficientpermission", "not allowed");
    if (auto refusal = ReadBody(call)) return *refusal;
    const Result<Response> answer = route.handler(call);
    if (answer.ok()) return *answer;
    Response refusal = ErrorResponse(answer.error());
    if (refusal.status >= 500) {
      log::Warn("management request failed", {{"route", route.pattern}, {"method", method}, {"error", answer.error()}});
    }
    return refusal;
  }
  if (path_known) return Refuse(405, "rest.methodNotAllowed", "this resource has no such method");
  return Refuse(404, "rest.notFound", "no such resource");
}

std::vector<std::string> RouteNames() {
  std::vector<std::string> names;
  for (const Route& route : kRoutes) names.push_back(std::string(route.method) + " " + route.pattern);
  return names;
}

}  // namespace till::mgmt
