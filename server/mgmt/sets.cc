// Distribution sets: a release, in our own words.
#include <utility>

#include "server/mgmt/listing.h"
#include "server/mgmt/metadata.h"
#include "server/mgmt/resources.h"
#include "server/mgmt/types.h"
#include "server/mgmt/views.h"
#include "server/rollout/engine.h"
#include "server/store/rollouts.h"
#include "server/store/software.h"

namespace till::mgmt::sets {
namespace {

using server::DistributionSet;
using server::DistributionSetId;

constexpr rsql::Field kFields[] = {{"id", rsql::FieldKind::kNumber},
                                   {"name"},
                                   {"description"},
                                   {"version"},
                                   {"type"},
                                   {"type.key"},
                                   {"metadata."},
                                   {"valid", rsql::FieldKind::kBool},
                                   {"module.id", rsql::FieldKind::kNumber},
                                   {"tag"},
                                   {"createdat", rsql::FieldKind::kNumber},
                                   {"lastmodifiedat", rsql::FieldKind::kNumber},
                                   {"createdby"},
                                   {"lastmodifiedby"}};

std::vector<std::string> ReadField(const DistributionSet& set, const rsql::Comparison& wanted) {
  const std::string& field = wanted.field;
  if (field == "id") return {server::IdText(set.id)};
  if (field == "name") return {set.name};
  if (field == "description") return {set.description};
  if (field == "version") return {set.version};
  if (field == "type" || field == "type.key") return {set.type};
  if (field == "valid") return {set.invalid ? "false" : "true"};
  if (field == "createdat") return {std::to_string(set.audit.created_at_ms)};
  if (field == "lastmodifiedat") return {std::to_string(set.audit.last_modified_at_ms)};
  if (field == "createdby") return {set.audit.created_by};
  if (field == "lastmodifiedby") return {set.audit.last_modified_by};
  std::vector<std::string> values;
  if (field == "module.id") {
    for (const server::SoftwareModuleId id : set.modules) values.push_back(server::IdText(id));
  }
  for (const server::Metadata& entry : set.metadata) {
    if (field == "metadata." && entry.key == wanted.key) values.push_back(entry.value);
  }
  return values;
}

Result<DistributionSet> Load(kv::ReadTxn& txn, const Call& call) {
  return server::GetSet(txn, TILL_TRY(call.IdOf<DistributionSetId>(0)));
}

Response Locked() { return Refuse(423, "entity.locked", "the distribution set is locked: it was assigned"); }

// Adds the modules of [{id}, …] that are not there yet.
Status AddModulesTo(kv::ReadTxn& txn, const json::Value& list, DistributionSet& set) {
  const SetType* type = FindSetType(set.type);
  for (const json::Value& item : list.items()) {
    const auto id = static_cast<server::SoftwareModuleId>(TILL_TRY(ReadId(item["id"])));
    const server::SoftwareModule module = TILL_TRY(server::GetModule(txn, id));
    if (module.deleted) return Error{ErrorCode::kNotFound, "no such software module", server::Number(id)};
    const bool fits = type != nullptr && (module.type == type->mandatory || module.type == type->optional);
    if (!fits) return Error{ErrorCode::kInvalid, "the set's type takes no module of this type", server::Number(id)};
    if (std::find(set.modules.begin(), set.modules.end(), id) != set.modules.end()) continue;
    if (set.modules.size() >= server::kMaxModulesPerSet) {
      return Error{ErrorCode::kLimit, "too many modules in one set", server::kMaxModulesPerSet};
    }
    set.modules.push_back(id);
  }
  return Ok();
}

Result<DistributionSet> ReadSet(kv::ReadTxn& txn, const json::Value& body) {
  DistributionSet set;
  set.name = TILL_TRY(ReadText(body, "name", server::kMaxNameBytes));
  set.version = TILL_TRY(ReadText(body, "version", server::kMaxVersionBytes));
  set.type = TILL_TRY(ReadText(body, "type", 64, "os"));
  set.description = TILL_TRY(ReadText(body, "description", server::kMaxDescriptionBytes));
  set.required_migration_step = body["requiredMigrationStep"].AsBool();
  if (set.name.empty() || set.version.empty()) return Error{ErrorCode::kInvalid, "name and version are needed", 0};
  TILL_TRY(server::CheckNewName(set.name));
  TILL_TRY(server::CheckNewName(set.version));
  if (FindSetType(set.type) == nullptr) return Error{ErrorCode::kInvalid, "type is no distribution set type", 0};
  TILL_TRY(AddModulesTo(txn, body["modules"], set));
  return set;
}

constexpr MetadataOwner kOwner{
    [](kv::ReadTxn& txn, const Call& call) -> Result<std::vector<server::Metadata>> {
      return TILL_TRY(Load(txn, call)).metadata;
    },
    [](kv::WriteTxn& txn, const Call& call, const std::vector<server::Metadata>& entries) -> Result<Response> {
      DistributionSet set = TILL_TRY(Load(txn, call));
      set.metadata = entries;
      Touch(set.audit, call.actor());
      TILL_TRY(server::PutSet(txn, set));
      return NoContent();
    }};

// Deleting is no weaker than stopping: rollouts of the set stop, and what was assigned by hand is cancelled.
Status StopUsing(kv::WriteTxn& txn, server::DistributionSetId id, const server::Actor& actor) {
  std::vector<server::RolloutId> rollouts;
  TILL_TRY(server::ForEachRollout(txn, [&](const server::Rollout& rollout) {
    if (rollout.set == id && !rollout.deleted) rollouts.push_back(rollout.id);
    return true;
  }));
  for (const server::RolloutId rollout : rollouts) {
    const Status stopped = rollout::Stop(txn, rollout, actor);
    const bool over =
        !stopped.ok() && (stopped.error().code == ErrorCode::kRefused || stopped.error().code == ErrorCode::kNotFound);
    if (!stopped.ok() && !over) return stopped;
  }
  return server::CancelActionsOfSet(txn, id, actor);
}

}  // namespace

Result<Response> List(const Call& call) {
  ListQuery query;
  if (auto refusal = ReadListQuery(call, kFields, query)) return *refusal;
  return Reading(call, [&](kv::ReadTxn& txn) -> Result<Response> {
    Page<DistributionSet, decltype(&ReadField)> page(query, &ReadField);
    TILL_TRY(page.Fill([&](const auto& offer) {
      return server::ForEachSet(txn, [&](const DistributionSet& set) {
        if (!set.deleted) offer(set);
        return true;
      });
    }));
    std::vector<json::Value> content;
    for (const DistributionSet& set : page.Items()) content.push_back(TILL_TRY(SetView(txn, call, set)));
    return JsonAnswer(200, ListBody(std::move(content), page.total()));
  });
}

Result<Response> Create(const Call& call) {
  const auto bodies = TILL_TRY(ReadObjects(call.body, 1000));
  return Writing(call, [&](kv::WriteTxn& txn) -> Result<Response> {
    json::Value made = json::Value::Array();
    for (const json::Value& body : bodies) {
      DistributionSet set = TILL_TRY(ReadSet(txn, body));
      Touch(set.audit, call.actor());
      TILL_TRY(server::PutSet(txn, set));
      made.Append(TILL_TRY(SetView(txn, call, set)));
    }
    return JsonAnswer(201, made);
  });
}

Result<Response> Get(const Call& call) {
  return Reading(call, [&](kv::ReadTxn& txn) -> Result<Response> {
    return JsonAnswer(200, TILL_TRY(SetView(txn, call, TILL_TRY(Load(txn, call)))));
  });
}

Result<Response> Update(const Call& call) {
  if (!call.body.is_object()) return Error{ErrorCode::kInvalid, "a JSON object is expected", 0};
  return Writing(call, [&](kv::WriteTxn& txn) -> Result<Response> {
    DistributionSet set = TILL_TRY(Load(txn, call));
    if (set.deleted) return Error{ErrorCode::kNotFound, "no such distribution set", 0};
    const std::string name =
        std::exchange(set.name, TILL_TRY(ReadText(call.body, "name", server::kMaxNameBytes, set.name)));
    const std::string version =
        std::exchange(set.version, TILL_TRY(ReadText(call.body, "version", server::kMaxVersionBytes, set.version)));
    if (set.name != name) TILL_TRY(server::CheckNewName(set.name));
    if (set.version != version) TILL_TRY(server::CheckNewName(set.version));
    set.description = TILL_TRY(ReadText(call.body, "description", server::kMaxDescriptionBytes, set.description));
    const bool migration = call.body["requiredMigrationStep"].AsBool(set.required_migration_step);
    if (set.locked && migration != set.required_migration_step) return Locked();
    set.required_migration_step = migration;
    if (set.name.empty() || set.version.empty()) return Error{ErrorCode::kInvalid, "name and version are needed", 0};
    Touch(set.audit, call.actor());
    TILL_TRY(server::PutSet(txn, set));
    return JsonAnswer(200, TILL_TRY(SetView(txn, call, set)));
  });
}

Result<Response> Delete(const Call& call) {
  return Writing(call, [&](kv::WriteTxn& txn) -> Result<Response> {
    DistributionSet set = TILL_TRY(Load(txn, call));
    if (set.deleted) return NoContent();
    if (!set.used) {
      TILL_TRY(server::EraseSet(txn, set.id));
      return NoContent();
    }
    TILL_TRY(StopUsing(txn, set.id, call.actor()));
    set.deleted = true;  // actions that are being cancelled still name it
    Touch(set.audit, call.actor());
    TILL_TRY(server::PutSet(txn, set));
    return NoContent();
  });
}

Result<Response> Modules(const Call& call) {
  return Reading(call, [&](kv::ReadTxn& txn) -> Result<Response> {
    std::vector<json::Value> content;
    for (const auto& module : TILL_TRY(server::ModulesOf(txn, TILL_TRY(Load(txn, call))))) {
      content.push_back(ModuleView(call, module));
    }
    const uint64_t total = content.size();
    return JsonAnswer(200, ListBody(std::move(content), total));
  });
}

Result<Response> AddModules(const Call& call) {
  const auto bodies = TILL_TRY(ReadObjects(call.body, server::kMaxModulesPerSet));
  return Writing(call, [&](kv::WriteTxn& txn) -> Result<Response> {
    DistributionSet set = TILL_TRY(Load(txn, call));
    if (set.locked) return Locked();
    TILL_TRY(AddModulesTo(txn, json::Value::Array(bodies), set));
    Touch(set.audit, call.actor());
    TILL_TRY(server::PutSet(txn, set));
    return NoContent();
  });
}

Result<Response> RemoveModule(const Call& call) {
  return Writing(call, [&](kv::WriteTxn& txn) -> Result<Response> {
    DistributionSet set = TILL_TRY(Load(txn, call));
    const auto id = TILL_TRY(call.IdOf<server::SoftwareModuleId>(1));
    if (set.locked) return Locked();
    if (std::erase(set.modules, id) == 0) return Error{ErrorCode::kNotFound, "the set has no such module", 0};
    Touch(set.audit, call.actor());
    TILL_TRY(server::PutSet(txn, set));
    return NoContent();
  });
}

Result<Response> ListMetadata(const Call& call) { return ListMetadataOf(call, kOwner); }
Result<Response> AddMetadata(const Call& call) { return AddMetadataTo(call, kOwner); }
Result<Response> GetMetadata(const Call& call) { return GetMetadataOf(call, kOwner); }
Result<Response> PutMetadata(const Call& call) { return PutMetadataOf(call, kOwner); }
Result<Response> DeleteMetadata(const Call& call) { return DeleteMetadataOf(call, kOwner); }

}  // namespace till::mgmt::sets
