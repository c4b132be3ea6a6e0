#include "server/store/software.h"

#include "server/store/by_id.h"

namespace till::server {
namespace {

constexpr Error kNoModule{ErrorCode::kNotFound, "no such software module"};
constexpr Error kNoSet{ErrorCode::kNotFound, "no such distribution set"};

// Hashed, because name, version and type together may pass the longest key.
std::string NameKey(char kind, std::string_view name, std::string_view version, std::string_view type) {
  std::string joined(name);
  joined += '\0';
  joined += version;
  joined += '\0';
  joined += type;
  const auto digest = crypto::Sha256Of(AsBytes(joined));
  return Key(kind, AsText(digest));
}
std::string NameKey(const SoftwareModule& m) { return NameKey('m', m.name, m.version, m.type); }
std::string NameKey(const DistributionSet& s) { return NameKey('n', s.name, s.version, ""); }

// Claims the unique name for `id`, or answers kConflict. Soft-deleted entities give theirs free.
template <typename Entity>
Status ClaimName(kv::WriteTxn& txn, const Entity& before, const Entity& now) {
  const bool had = IsSet(before.id) && !before.deleted;
  const std::string key = NameKey(now);
  if (had && (now.deleted || NameKey(before) != key)) TILL_TRY(txn.Delete(NameKey(before)));
  if (now.deleted) return Ok();
  return txn.Put(key, kv::SortableU64(Number(now.id)));
}

template <typename Entity>
Status RefuseTakenName(kv::ReadTxn& txn, const Entity& entity) {
  if (entity.deleted) return Ok();
  const auto holder = TILL_TRY(txn.Get(NameKey(entity)));
  if (holder && *holder != kv::SortableU64(Number(entity.id))) {
    return Error{ErrorCode::kConflict, "that name and version exist already"};
  }
  return Ok();
}

std::string UseKey(SoftwareModuleId module, DistributionSetId set) {
  return Key('u', module, kv::SortableU64(Number(set)));
}

}  // namespace

Result<SoftwareModule> GetModule(kv::ReadTxn& txn, SoftwareModuleId id) {
  return LoadById<SoftwareModule>(txn, 'M', id, kNoModule);
}

Status PutModule(kv::WriteTxn& txn, SoftwareModule& module) {
  TILL_TRY(RefuseTakenName(txn, module));
  SoftwareModule before;
  if (IsSet(module.id)) {
    before = TILL_TRY(GetModule(txn, module.id));
  } else {
    module.id = static_cast<SoftwareModuleId>(TILL_TRY(NextNumber(txn, "module")));
    TILL_TRY(AddCount(txn, "modules", 1));
  }
  TILL_TRY(ClaimName(txn, before, module));
  return txn.Put(Key('M', module.id), Encode(module));
}

Status EraseModule(kv::WriteTxn& txn, SoftwareModuleId id) {
  const SoftwareModule module = TILL_TRY(GetModule(txn, id));
  if (!module.deleted) TILL_TRY(txn.Delete(NameKey(module)));
  TILL_TRY(AddCount(txn, "modules", -1));
  return txn.Delete(Key('M', id));
}

Status ForEachModule(kv::ReadTxn& txn, const std::function<bool(const SoftwareModule&)>& visit) {
  return ForEachById<SoftwareModule>(txn, 'M', SoftwareModuleId{}, visit);
}

Result<bool> IsModuleUsed(kv::ReadTxn& txn, SoftwareModuleId id) {
  bool used = false;
  TILL_TRY(txn.Scan(Key('u', id), "", [&](std::string_view, std::string_view) {
    used = true;
    return false;
  }));
  return used;
}

Result<ArtifactId> NextArtifactId(kv::WriteTxn& txn) {
  return static_cast<ArtifactId>(TILL_TRY(NextNumber(txn, "artifact")));
}

Result<DistributionSet> GetSet(kv::ReadTxn& txn, DistributionSetId id) {
  return LoadById<DistributionSet>(txn, 'D', id, kNoSet);
}

Status PutSet(kv::WriteTxn& txn, DistributionSet& set) {
  TILL_TRY(RefuseTakenName(txn, set));
  DistributionSet before;
  if (IsSet(set.id)) {
    before = TILL_TRY(GetSet(txn, set.id));
  } else {
    set.id = static_cast<DistributionSetId>(TILL_TRY(NextNumber(txn, "set")));
    TILL_TRY(AddCount(txn, "sets", 1));
  }
  TILL_TRY(ClaimName(txn, before, set));
  for (const SoftwareModuleId module : before.modules) TILL_TRY(txn.Delete(UseKey(module, set.id)));
  for (const SoftwareModuleId module : set.modules) TILL_TRY(txn.Put(UseKey(module, set.id), ""));
  return txn.Put(Key('D', set.id), Encode(set));
}

Status EraseSet(kv::WriteTxn& txn, DistributionSetId id) {
  const DistributionSet set = TILL_TRY(GetSet(txn, id));
  if (!set.deleted) TILL_TRY(txn.Delete(NameKey(set)));
  for (const SoftwareModuleId module : set.modules) TILL_TRY(txn.Delete(UseKey(module, id)));
  TILL_TRY(AddCount(txn, "sets", -1));
  return txn.Delete(Key('D', id));
}

Status ForEachSet(kv::ReadTxn& txn, const std::function<bool(const DistributionSet&)>& visit) {
  return ForEachById<DistributionSet>(txn, 'D', DistributionSetId{}, visit);
}

Result<std::optional<DistributionSetId>> FindSet(kv::ReadTxn& txn, std::string_view name, std::string_view version) {
  const auto stored = TILL_TRY(txn.Get(NameKey('n', name, version, "")));
  if (!stored) return std::optional<DistributionSetId>();
  return std::optional(static_cast<DistributionSetId>(TILL_TRY(kv::ParseSortableU64(*stored))));
}

Result<std::vector<SoftwareModule>> ModulesOf(kv::ReadTxn& txn, const DistributionSet& set) {
  std::vector<SoftwareModule> modules;
  for (const SoftwareModuleId id : set.modules) modules.push_back(TILL_TRY(GetModule(txn, id)));
  return modules;
}

}  // namespace till::server
