#include "packer/publisher.h"

#include <algorithm>

#include "core/file.h"
#include "core/text.h"
#include "core/tuf/repository.h"
#include "packer/hub_metadata.h"
#include "packer/withdrawn.h"

namespace till::packer {

namespace {

bool IsApp(const ComponentRecord& component) { return component.component == "app"; }

json::Value IdList(const std::vector<int64_t>& ids) {
  json::Value list = json::Value::Array();
  for (const int64_t id : ids) list.Append(json::Value::Object({{"id", id}}));
  return list;
}

}  // namespace

Publisher::Publisher(HubAccess hub, std::function<void(const PublishStep&)> on_step)
    : hub_(std::move(hub)), on_step_(std::move(on_step)) {}

Status Publisher::Publish(const std::string& out_folder, const ReleaseRecord& release,
                          std::function<Result<tuf::RoleSet>()> keys, int64_t now_unix_s) {
  const std::string tuf_folder = out_folder + "/tuf";
  TILL_TRY(GoOnFromHub(out_folder, std::move(keys), now_unix_s));
  for (const ComponentRecord& component : release.components) {
    for (const PayloadRecord& payload : component.payloads) {
      const std::string path = out_folder + "/" + release.version + "/" + payload.file;
      const bool sent = TILL_TRY(SendBlob(hub_, path, payload.sha256));
      on_step_({payload.file, payload.length, sent});
    }
  }
  TILL_TRY(SendMetadata(hub_, tuf_folder, on_step_));
  std::vector<int64_t> modules;
  for (const ComponentRecord& component : release.components) {
    modules.push_back(TILL_TRY(EnsureModule(release, component)));
  }
  return EnsureDistributionSet(release, modules);
}

Status Publisher::GoOnFromHub(const std::string& out_folder, std::function<Result<tuf::RoleSet>()> keys,
                              int64_t now_unix_s) {
  CatchUpRequest request;
  request.tuf_folder = out_folder + "/tuf";
  request.keys = std::move(keys);
  request.now_unix_s = now_unix_s;
  request.withdrawn = TILL_TRY(ReadWithdrawn(out_folder));
  if (!TILL_TRY(CatchUp(hub_, request))) return Ok();
  TILL_TRY(WriteMetadataTar(request.tuf_folder, out_folder + "/release.tuf"));
  on_step_({"the hub's newer metadata, taken over", 0, false});
  return Ok();
}

Status Publisher::Withdraw(const std::string& out_folder, const std::string& product, const std::string& version,
                           std::function<Result<tuf::RoleSet>()> keys, int64_t now_unix_s) {
  TILL_TRY(GoOnFromHub(out_folder, std::move(keys), now_unix_s));
  TILL_TRY(SendMetadata(hub_, out_folder + "/tuf", on_step_));
  const json::Value set = TILL_TRY(FindOne("distributionsets", product, version));
  if (set.is_null()) return Ok();
  TILL_TRY(hub_.SendJson("DELETE", "/rest/v1/distributionsets/" + std::to_string(set["id"].AsInteger())));
  return Ok();
}

Result<bool> SendBlob(HubConnection& hub, const std::string& path, const crypto::Sha256Digest& sha256) {
  http::Call head;
  head.method = "HEAD";
  head.url = "/api/v1/blobs/" + ToHex(sha256);
  const http::Reply have = TILL_TRY(hub.Send(head));
  if (have.status == 200) return false;
  http::Call put = head;
  put.method = "PUT";
  put.body_file = path;
  put.headers.push_back({"Content-Type", "application/octet-stream"});
  TILL_TRY(hub.Send(std::move(put)));
  return true;
}

Status SendMetadata(HubConnection& hub, const std::string& tuf_folder,
                    const std::function<void(const PublishStep&)>& on_step) {
  hub.set_error_context(tuf_folder);
  const tuf::Repository repository = TILL_TRY(tuf::Repository::Open(tuf_folder));
  for (const std::string& name : TILL_TRY(repository.FileNames())) {
    http::Call put;
    put.method = "PUT";
    put.url = "/api/v1/tuf/" + name;
    std::string path = tuf_folder;
    path.append("/").append(name);
    put.body = TILL_TRY(ReadTextFile(path, 8 << 20));
    put.headers.push_back({"Content-Type", "application/json"});
    const uint64_t bytes = put.body.size();
    TILL_TRY(hub.Send(std::move(put)));
    on_step({"tuf/" + name, bytes, true});
  }
  return Ok();
}

Result<json::Value> Publisher::FindOne(const std::string& collection, const std::string& name,
                                       const std::string& version) {
  const std::string query = "name==\"" + name + "\" and version==\"" + version + "\"";
  const json::Value list =
      TILL_TRY(hub_.SendJson("GET", "/rest/v1/" + collection + "?limit=1&q=" + EncodeQuery(query), {}));
  const std::vector<json::Value>& found = list["content"].items();
  return found.empty() ? json::Value() : found[0];
}

Result<int64_t> Publisher::EnsureModule(const ReleaseRecord& release, const ComponentRecord& component) {
  const std::string name = release.product + "-" + component.component;
  const std::string target = ToHex(component.image_sha256);
  json::Value module = TILL_TRY(FindOne("softwaremodules", name, release.version));
  const bool is_new = module.is_null();
  if (is_new) {
    json::Value wanted = json::Value::Object();
    wanted.Set("name", name).Set("version", release.version);
    wanted.Set("type", IsApp(component) ? "application" : "os");
    const json::Value made = TILL_TRY(hub_.SendJson("POST", "/rest/v1/softwaremodules", json::Value::Array({wanted})));
    if (made.items().empty()) return Error{ErrorCode::kCorrupt, "the hub's answer names no software module"};
    module = made.items()[0];
  }
  const std::string metadata = "/rest/v1/softwaremodules/" + std::to_string(module["id"].AsInteger()) + "/metadata";
  const Result<json::Value> known = hub_.SendJson("GET", metadata + "/till.target", {});
  if (!known.ok() && known.error().code == ErrorCode::kNotFound) {
    json::Value entry = json::Value::Object();
    entry.Set("key", "till.target").Set("value", target).Set("targetVisible", true);
    TILL_TRY(hub_.SendJson("POST", metadata, json::Value::Array({entry})));
  } else if (!known.ok()) {
    return known.error();
  } else if ((*known)["value"].AsString() != target) {
    hub_.set_error_context(name + " " + release.version + " stands for image " + (*known)["value"].AsString());
    return Error{ErrorCode::kConflict, "this version was published with another image"};
  }
  on_step_({"software module " + name + " " + release.version, 0, is_new});
  return module["id"].AsInteger();
}

Status Publisher::EnsureDistributionSet(const ReleaseRecord& release, const std::vector<int64_t>& modules) {
  const std::string what = "distribution set " + release.product + " " + release.version;
  json::Value known = TILL_TRY(FindOne("distributionsets", release.product, release.version));
  const bool is_new = known.is_null();
  if (is_new) {
    const bool only_apps = std::ranges::all_of(release.components, IsApp);
    const bool any_app = std::ranges::any_of(release.components, IsApp);
    json::Value set = json::Value::Object();
    set.Set("name", release.product).Set("version", release.version);
    set.Set("type", only_apps ? "app" : any_app ? "os_app" : "os").Set("modules", IdList(modules));
    const json::Value made = TILL_TRY(hub_.SendJson("POST", "/rest/v1/distributionsets", json::Value::Array({set})));
    if (!made.items().empty()) known = made.items()[0];
  }
  const bool completed = TILL_TRY(CompleteSet(known, modules, what));
  on_step_({completed ? what + ", completed" : what, 0, is_new || completed});
  return Ok();
}

// A set of this name may be another's, or one that was made by hand and left empty: it is published only when it can be
// assigned, and means this release.
Result<bool> Publisher::CompleteSet(const json::Value& set, const std::vector<int64_t>& modules,
                                    const std::string& what) {
  const auto conflict = [&](const std::string& why) {
    hub_.set_error_context(what + " " + why);
    return Error{ErrorCode::kConflict, "the hub's set is not this release"};
  };
  if (set.Has("valid") && !set["valid"].AsBool()) return conflict("was made invalid on the hub: choose a new version");
  std::vector<int64_t> missing = modules;
  for (const json::Value& module : set["modules"].items()) {
    if (std::erase(missing, module["id"].AsInteger()) > 0) continue;
    const bool is_ours = std::ranges::find(modules, module["id"].AsInteger()) != modules.end();
    if (!is_ours) return conflict("holds the module " + module["name"].AsString() + " " + module["version"].AsString());
  }
  const std::string path = "/rest/v1/distributionsets/" + std::to_string(set["id"].AsInteger());
  if (!missing.empty()) {
    const Result<json::Value> added = hub_.SendJson("POST", path + "/assignedSM", IdList(missing));
    const bool refused = !added.ok() && added.error().code == ErrorCode::kInvalid;  // locked, or of another type
    if (refused) return conflict("lacks modules of this release, and takes none: " + hub_.error_context());
    if (!added.ok()) return added.error();
  }
  const json::Value now = TILL_TRY(hub_.SendJson("GET", path));
  if (!now["complete"].AsBool()) return conflict("is incomplete: its type is " + now["type"].AsString());
  return !missing.empty();
}

}  // namespace till::packer
