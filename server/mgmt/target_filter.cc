#include "server/mgmt/target_filter.h"

#include "server/store/software.h"
#include "server/store/targets.h"

namespace till::mgmt {
namespace {

using rsql::FieldKind;

constexpr rsql::Field kFields[] = {
    {"id"},
    {"controllerid"},
    {"name"},
    {"description"},
    {"address"},
    {"updatestatus"},
    {"ipaddress"},
    {"attribute."},
    {"controllerattributes."},
    {"metadata."},
    {"group"},
    {"tag"},
    {"targettype.key"},
    {"targettype.name"},
    {"type.key"},
    {"type.name"},
    {"assignedds.id", FieldKind::kNumber},
    {"assignedds.name"},
    {"assignedds.version"},
    {"installedds.id", FieldKind::kNumber},
    {"installedds.name"},
    {"installedds.version"},
    {"autoconfirm", FieldKind::kBool},
    {"lastcontrollerrequestat", FieldKind::kNumber},
    {"installedat", FieldKind::kNumber},
    {"createdat", FieldKind::kNumber},
    {"lastmodifiedat", FieldKind::kNumber},
    {"createdby"},
    {"lastmodifiedby"},
};

using Values = std::vector<std::string>;

Values One(std::string value) { return value.empty() ? Values{} : Values{std::move(value)}; }
Values Time(int64_t ms) { return ms == 0 ? Values{} : Values{std::to_string(ms)}; }

Values OfSet(kv::ReadTxn& txn, server::DistributionSetId id, std::string_view part) {
  if (!server::IsSet(id)) return {};
  if (part == "id") return {server::IdText(id)};
  const auto set = server::GetSet(txn, id);
  if (!set.ok()) return {};
  return {part == "name" ? set->name : set->version};
}

}  // namespace

std::span<const rsql::Field> TargetFields() { return kFields; }

Values TargetReader::operator()(const server::Target& target, const rsql::Comparison& wanted) const {
  const std::string& field = wanted.field;
  if (field == "id" || field == "controllerid") return {target.controller_id};
  if (field == "name") return {target.name};
  if (field == "description") return One(target.description);
  if (field == "address") return One(target.address);
  if (field == "updatestatus") return {server::TargetStatusName(target.status)};
  if (field == "group") return One(target.group);
  if (field.starts_with("type.") || field.starts_with("targettype.")) return One(target.target_type);
  if (field == "autoconfirm") return {target.auto_confirm ? "true" : "false"};
  if (field == "installedat") return Time(target.installed_at_ms);
  if (field == "createdat") return Time(target.audit.created_at_ms);
  if (field == "lastmodifiedat") return Time(target.audit.last_modified_at_ms);
  if (field == "createdby") return One(target.audit.created_by);
  if (field == "lastmodifiedby") return One(target.audit.last_modified_by);
  if (field.starts_with("assignedds.")) return OfSet(*txn_, target.assigned_set, field.substr(11));
  if (field.starts_with("installedds.")) return OfSet(*txn_, target.installed_set, field.substr(12));
  if (field == "ipaddress") return One(last_seen_->Get(target.controller_id).address);
  if (field == "lastcontrollerrequestat") return Time(last_seen_->Get(target.controller_id).at_ms);
  if (field == "attribute." || field == "controllerattributes.") {
    const auto attributes = server::GetAttributes(*txn_, target.controller_id);
    if (!attributes.ok()) return {};
    const auto found = attributes->find(wanted.key);
    return found == attributes->end() ? Values{} : Values{found->second};
  }
  if (field == "metadata.") {
    const auto metadata = server::GetTargetMetadata(*txn_, target.controller_id);
    if (!metadata.ok()) return {};
    for (const server::Metadata& entry : *metadata) {
      if (entry.key == wanted.key) return {entry.value};
    }
  }
  return {};
}

Status ForEachMatchingTarget(kv::ReadTxn& txn, const server::LastSeen& last_seen, const rsql::Filter& filter,
                             const std::function<bool(const server::Target&)>& visit) {
  const TargetReader reader(txn, last_seen);
  const auto matches = [&](const server::Target& target) {
    return filter.Matches([&](const rsql::Comparison& wanted) { return reader(target, wanted); });
  };
  for (const char* field : {"id", "controllerid"}) {
    const auto key = filter.SingleEqual(field);
    if (!key) continue;
    const auto target = server::GetTarget(txn, *key);
    if (!target.ok()) break;  // perhaps written in another case: the walk below finds it
    visit(*target);
    return Ok();
  }
  return server::ForEachTarget(txn, "",
                               [&](const server::Target& target) { return !matches(target) || visit(target); });
}

}  // namespace till::mgmt
