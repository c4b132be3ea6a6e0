#include "server/mgmt/types.h"
#include "server/mgmt/views.h"
#include "server/store/software.h"

namespace till::mgmt {

json::Value ModuleView(const Call& call, const server::SoftwareModule& module) {
  json::Value view = json::Value::Object();
  SetAudit(view, module.audit);
  view.Set("id", server::Number(module.id)).Set("name", module.name).Set("version", module.version);
  view.Set("description", module.description).Set("vendor", module.vendor).Set("type", module.type);
  const ModuleType* type = FindModuleType(module.type);
  view.Set("typeName", type != nullptr ? type->name : module.type.c_str());
  view.Set("encrypted", module.encrypted).Set("locked", module.locked).Set("deleted", module.deleted);
  view.Set("complete", true);
  const std::string self = call.Link("softwaremodules/" + server::IdText(module.id));
  SetLink(view, "self", self);
  SetLink(view, "artifacts", self + "/artifacts");
  SetLink(view, "metadata", self + "/metadata?offset=0&limit=50");
  if (type != nullptr) SetLink(view, "type", call.Link("softwaremoduletypes/" + std::to_string(type->id)));
  return view;
}

json::Value ArtifactView(const Call& call, const server::SoftwareModule& module, const server::Artifact& artifact) {
  json::Value view = json::Value::Object();
  SetAudit(view, artifact.audit);
  view.Set("id", server::Number(artifact.id));
  json::Value hashes = json::Value::Object();
  hashes.Set("sha1", artifact.sha1).Set("md5", artifact.md5).Set("sha256", artifact.sha256);
  view.Set("hashes", std::move(hashes)).Set("providedFilename", artifact.filename).Set("size", artifact.size);
  const std::string self =
      call.Link("softwaremodules/" + server::IdText(module.id) + "/artifacts/" + server::IdText(artifact.id));
  SetLink(view, "self", self);
  SetLink(view, "download", self + "/download");
  return view;
}

Result<json::Value> SetView(kv::ReadTxn& txn, const Call& call, const server::DistributionSet& set) {
  const auto modules = TILL_TRY(server::ModulesOf(txn, set));
  json::Value list = json::Value::Array();
  for (const server::SoftwareModule& module : modules) list.Append(ModuleView(call, module));
  json::Value view = json::Value::Object();
  SetAudit(view, set.audit);
  view.Set("id", server::Number(set.id)).Set("name", set.name).Set("version", set.version);
  view.Set("description", set.description).Set("type", set.type);
  const SetType* type = FindSetType(set.type);
  view.Set("typeName", type != nullptr ? type->name : set.type.c_str());
  view.Set("modules", std::move(list)).Set("requiredMigrationStep", set.required_migration_step);
  view.Set("complete", IsComplete(set, modules)).Set("valid", !set.invalid);
  view.Set("locked", set.locked).Set("deleted", set.deleted);
  const std::string self = call.Link("distributionsets/" + server::IdText(set.id));
  SetLink(view, "self", self);
  SetLink(view, "modules", self + "/assignedSM");
  SetLink(view, "metadata", self + "/metadata?offset=0&limit=50");
  if (type != nullptr) SetLink(view, "type", call.Link("distributionsettypes/" + std::to_string(type->id)));
  return view;
}

bool IsComplete(const server::DistributionSet& set, const std::vector<server::SoftwareModule>& modules) {
  const SetType* type = FindSetType(set.type);
  if (type == nullptr || modules.empty()) return false;
  for (const server::SoftwareModule& module : modules) {
    if (module.type == type->mandatory) return true;
  }
  return false;
}

}  // namespace till::mgmt
