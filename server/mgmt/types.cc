#include "server/mgmt/types.h"

#include "server/mgmt/listing.h"
#include "server/mgmt/resources.h"

namespace till::mgmt {
namespace {

constexpr ModuleType kModuleTypes[] = {{1, "os", "OS", 1}, {2, "application", "Application", 2147483647}};
constexpr SetType kSetTypes[] = {{1, "os", "OS only", "os", ""},
                                 {2, "app", "App(s) only", "application", ""},
                                 {3, "os_app", "OS with app(s)", "os", "application"}};

constexpr rsql::Field kFields[] = {{"id", rsql::FieldKind::kNumber}, {"key"}, {"name"}};

template <typename T>
std::vector<std::string> ReadField(const T& type, const rsql::Comparison& wanted) {
  if (wanted.field == "id") return {std::to_string(type.id)};
  return {wanted.field == "key" ? type.key : type.name};
}

json::Value View(const Call& call, const ModuleType& type) {
  json::Value view = json::Value::Object();
  view.Set("id", type.id).Set("key", type.key).Set("name", type.name).Set("description", type.name);
  view.Set("minArtifacts", 0).Set("maxAssignments", type.max_assignments).Set("deleted", false);
  SetLink(view, "self", call.Link("softwaremoduletypes/" + std::to_string(type.id)));
  return view;
}

json::Value View(const Call& call, const SetType& type) {
  json::Value view = json::Value::Object();
  view.Set("id", type.id).Set("key", type.key).Set("name", type.name).Set("description", type.name);
  view.Set("deleted", false);
  SetLink(view, "self", call.Link("distributionsettypes/" + std::to_string(type.id)));
  return view;
}

template <typename T>
Result<Response> ListTypes(const Call& call, std::span<const T> all) {
  ListQuery query;
  if (auto refusal = ReadListQuery(call, kFields, query)) return *refusal;
  Page<T, decltype(&ReadField<T>)> page(query, &ReadField<T>);
  TILL_TRY(page.Fill([&](const auto& offer) {
    for (const T& type : all) offer(type);
    return Ok();
  }));
  std::vector<json::Value> content;
  for (const T& type : page.Items()) content.push_back(View(call, type));
  return JsonAnswer(200, ListBody(std::move(content), page.total()));
}

template <typename T>
Result<Response> GetType(const Call& call, std::span<const T> all) {
  const uint64_t id = TILL_TRY(call.Number(0));
  for (const T& type : all) {
    if (type.id == id) return JsonAnswer(200, View(call, type));
  }
  return Error{ErrorCode::kNotFound, "no such type", id};
}

}  // namespace

std::span<const ModuleType> ModuleTypes() { return kModuleTypes; }
std::span<const SetType> SetTypes() { return kSetTypes; }

const ModuleType* FindModuleType(std::string_view key) {
  for (const ModuleType& type : kModuleTypes) {
    if (key == type.key) return &type;
  }
  return nullptr;
}

const SetType* FindSetType(std::string_view key) {
  for (const SetType& type : kSetTypes) {
    if (key == type.key) return &type;
  }
  return nullptr;
}

namespace types {
Result<Response> ListModuleTypes(const Call& call) { return ListTypes(call, ModuleTypes()); }
Result<Response> GetModuleType(const Call& call) { return GetType(call, ModuleTypes()); }
Result<Response> ListSetTypes(const Call& call) { return ListTypes(call, SetTypes()); }
Result<Response> GetSetType(const Call& call) { return GetType(call, SetTypes()); }
Result<Response> ListTargetTypes(const Call&) { return JsonAnswer(200, ListBody({}, 0)); }
}  // namespace types

}  // namespace till::mgmt
