// Software modules and what belongs to them. Artifact upload and download are the front's (server/front/upload.h).
#include "server/mgmt/listing.h"
#include "server/mgmt/metadata.h"
#include "server/mgmt/resources.h"
#include "server/mgmt/types.h"
#include "server/mgmt/views.h"
#include "server/store/software.h"

namespace till::mgmt::modules {
namespace {

using server::SoftwareModule;
using server::SoftwareModuleId;

constexpr rsql::Field kFields[] = {{"id", rsql::FieldKind::kNumber},
                                   {"name"},
                                   {"description"},
                                   {"version"},
                                   {"type"},
                                   {"type.key"},
                                   {"vendor"},
                                   {"metadata."},
                                   {"locked", rsql::FieldKind::kBool},
                                   {"createdat", rsql::FieldKind::kNumber},
                                   {"lastmodifiedat", rsql::FieldKind::kNumber},
                                   {"createdby"},
                                   {"lastmodifiedby"}};

std::vector<std::string> ReadField(const SoftwareModule& module, const rsql::Comparison& wanted) {
  const std::string& field = wanted.field;
  if (field == "id") return {server::IdText(module.id)};
  if (field == "name") return {module.name};
  if (field == "description") return {module.description};
  if (field == "version") return {module.version};
  if (field == "type" || field == "type.key") return {module.type};
  if (field == "vendor") return {module.vendor};
  if (field == "locked") return {module.locked ? "true" : "false"};
  if (field == "createdat") return {std::to_string(module.audit.created_at_ms)};
  if (field == "lastmodifiedat") return {std::to_string(module.audit.last_modified_at_ms)};
  if (field == "createdby") return {module.audit.created_by};
  if (field == "lastmodifiedby") return {module.audit.last_modified_by};
  for (const server::Metadata& entry : module.metadata) {
    if (field == "metadata." && entry.key == wanted.key) return {entry.value};
  }
  return {};
}

// The module, unless it is gone (soft-deleted ones are shown by id, as hawkBit does).
Result<SoftwareModule> Load(kv::ReadTxn& txn, const Call& call) {
  return server::GetModule(txn, TILL_TRY(call.IdOf<SoftwareModuleId>(0)));
}

Response Locked() { return Refuse(423, "entity.locked", "the software module is locked: it was assigned"); }

Result<SoftwareModule> ReadModule(const json::Value& body) {
  SoftwareModule module;
  module.name = TILL_TRY(ReadText(body, "name", server::kMaxNameBytes));
  module.version = TILL_TRY(ReadText(body, "version", server::kMaxVersionBytes));
  module.type = TILL_TRY(ReadText(body, "type", 64));
  module.description = TILL_TRY(ReadText(body, "description", server::kMaxDescriptionBytes));
  module.vendor = TILL_TRY(ReadText(body, "vendor", 256));
  module.encrypted = body["encrypted"].AsBool();
  if (module.name.empty() || module.version.empty())
    return Error{ErrorCode::kInvalid, "name and version are needed", 0};
  TILL_TRY(server::CheckNewName(module.name));
  TILL_TRY(server::CheckNewName(module.version));
  if (FindModuleType(module.type) == nullptr) return Error{ErrorCode::kInvalid, "type is no software module type", 0};
  return module;
}

constexpr MetadataOwner kOwner{
    [](kv::ReadTxn& txn, const Call& call) -> Result<std::vector<server::Metadata>> {
      return TILL_TRY(Load(txn, call)).metadata;
    },
    [](kv::WriteTxn& txn, const Call& call, const std::vector<server::Metadata>& entries) -> Result<Response> {
      SoftwareModule module = TILL_TRY(Load(txn, call));
      if (module.locked) return Locked();
      module.metadata = entries;
      Touch(module.audit, call.actor());
      TILL_TRY(server::PutModule(txn, module));
      return NoContent();
    },
    true};

}  // namespace

Result<Response> List(const Call& call) {
  ListQuery query;
  if (auto refusal = ReadListQuery(call, kFields, query)) return *refusal;
  return Reading(call, [&](kv::ReadTxn& txn) -> Result<Response> {
    Page<SoftwareModule, decltype(&ReadField)> page(query, &ReadField);
    TILL_TRY(page.Fill([&](const auto& offer) {
      return server::ForEachModule(txn, [&](const SoftwareModule& module) {
        if (!module.deleted) offer(module);
        return true;
      });
    }));
    std::vector<json::Value> content;
    for (const SoftwareModule& module : page.Items()) content.push_back(ModuleView(call, module));
    return JsonAnswer(200, ListBody(std::move(content), page.total()));
  });
}

Result<Response> Create(const Call& call) {
  const auto bodies = TILL_TRY(ReadObjects(call.body, 1000));
  return Writing(call, [&](kv::WriteTxn& txn) -> Result<Response> {
    json::Value made = json::Value::Array();
    for (const json::Value& body : bodies) {
      SoftwareModule module = TILL_TRY(ReadModule(body));
      Touch(module.audit, call.actor());
      TILL_TRY(server::PutModule(txn, module));
      made.Append(ModuleView(call, module));
    }
    return JsonAnswer(201, made);
  });
}

Result<Response> Get(const Call& call) {
  return Reading(call, [&](kv::ReadTxn& txn) -> Result<Response> {
    return JsonAnswer(200, ModuleView(call, TILL_TRY(Load(txn, call))));
  });
}

Result<Response> Update(const Call& call) {
  if (!call.body.is_object()) return Error{ErrorCode::kInvalid, "a JSON object is expected", 0};
  return Writing(call, [&](kv::WriteTxn& txn) -> Result<Response> {
    SoftwareModule module = TILL_TRY(Load(txn, call));
    if (module.deleted) return Error{ErrorCode::kNotFound, "no such software module", 0};
    module.description = TILL_TRY(ReadText(call.body, "description", server::kMaxDescriptionBytes, module.description));
    module.vendor = TILL_TRY(ReadText(call.body, "vendor", 256, module.vendor));
    module.locked = call.body["locked"].AsBool(module.locked);
    Touch(module.audit, call.actor());
    TILL_TRY(server::PutModule(txn, module));
    return JsonAnswer(200, ModuleView(call, module));
  });
}

Result<Response> Delete(const Call& call) {
  return Writing(call, [&](kv::WriteTxn& txn) -> Result<Response> {
    SoftwareModule module = TILL_TRY(Load(txn, call));
    // A second delete of a module that is still used is no error (clients repeat it).
    if (module.deleted) return NoContent();
    if (!TILL_TRY(server::IsModuleUsed(txn, module.id))) {
      TILL_TRY(server::EraseModule(txn, module.id));
      return NoContent();
    }
    module.deleted = true;
    Touch(module.audit, call.actor());
    TILL_TRY(server::PutModule(txn, module));
    return NoContent();
  });
}

Result<Response> Artifacts(const Call& call) {
  return Reading(call, [&](kv::ReadTxn& txn) -> Result<Response> {
    const SoftwareModule module = TILL_TRY(Load(txn, call));
    json::Value list = json::Value::Array();
    for (const server::Artifact& artifact : module.artifacts) list.Append(ArtifactView(call, module, artifact));
    return JsonAnswer(200, list);
  });
}

Result<Response> GetArtifact(const Call& call) {
  return Reading(call, [&](kv::ReadTxn& txn) -> Result<Response> {
    const SoftwareModule module = TILL_TRY(Load(txn, call));
    const auto id = TILL_TRY(call.IdOf<server::ArtifactId>(1));
    for (const server::Artifact& artifact : module.artifacts) {
      if (artifact.id == id) return JsonAnswer(200, ArtifactView(call, module, artifact));
    }
    return Error{ErrorCode::kNotFound, "no such artifact", 0};
  });
}

// The bytes stay in the artifact directory: others may name them, and a sweep is a later issue.
Result<Response> DeleteArtifact(const Call& call) {
  return Writing(call, [&](kv::WriteTxn& txn) -> Result<Response> {
    SoftwareModule module = TILL_TRY(Load(txn, call));
    const auto id = TILL_TRY(call.IdOf<server::ArtifactId>(1));
    if (module.locked) return Locked();
    const size_t erased = std::erase_if(module.artifacts, [&](const server::Artifact& a) { return a.id == id; });
    if (erased == 0) return Error{ErrorCode::kNotFound, "no such artifact", 0};
    Touch(module.audit, call.actor());
    TILL_TRY(server::PutModule(txn, module));
    return NoContent();
  });
}

Result<Response> ListMetadata(const Call& call) { return ListMetadataOf(call, kOwner); }
Result<Response> AddMetadata(const Call& call) { return AddMetadataTo(call, kOwner); }
Result<Response> GetMetadata(const Call& call) { return GetMetadataOf(call, kOwner); }
Result<Response> PutMetadata(const Call& call) { return PutMetadataOf(call, kOwner); }
Result<Response> DeleteMetadata(const Call& call) { return DeleteMetadataOf(call, kOwner); }

}  // namespace till::mgmt::modules
