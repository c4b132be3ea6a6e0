#include "packer/publisher.h"

#include "core/file.h"
#include "core/text.h"
#include "core/tuf/repository.h"
#include "packer/hub_metadata.h"

namespace till::packer {

Publisher::Publisher(HubAccess hub, std::function<void(const PublishStep&)> on_step)
    : hub_(std::move(hub)), on_step_(std::move(on_step)) {}

Status Publisher::Publish(const std::string& out_folder, const ReleaseRecord& release,
                          std::function<Result<tuf::RoleSet>()> keys, int64_t now_unix_s) {
  const std::string tuf_folder = out_folder + "/tuf";
  if (TILL_TRY(CatchUp(hub_, {.tuf_folder = tuf_folder, .keys = std::move(keys), .now_unix_s = now_unix_s}))) {
    TILL_TRY(WriteMetadataTar(tuf_folder, out_folder + "/release.tuf"));
    on_step_({"the hub's newer metadata, taken over", 0, false});
  }

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
    wanted.Set("type", component.component == "app" ? "application" : "os");
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
  const json::Value known = TILL_TRY(FindOne("distributionsets", release.product, release.version));
  if (known.is_null()) {
    json::Value members = json::Value::Array();
    for (const int64_t id : modules) {
      json::Value member = json::Value::Object();
      member.Set("id", id);
      members.Append(member);
    }
    json::Value set = json::Value::Object();
    set.Set("name", release.product).Set("version", release.version).Set("type", "os").Set("modules", members);
    TILL_TRY(hub_.SendJson("POST", "/rest/v1/distributionsets", json::Value::Array({set})));
  }
  on_step_({"distribution set " + release.product + " " + release.version, 0, known.is_null()});
  return Ok();
}

}  // namespace till::packer
