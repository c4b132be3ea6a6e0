#include "packer/publisher.h"

#include "core/file.h"
#include "core/text.h"
#include "core/tuf/repository.h"

namespace till::packer {
namespace {

// RSQL wants quotes around text; IsSafeName() has refused the characters that would need escaping, '+' apart.
std::string EncodeQuery(std::string_view text) {
  std::string encoded;
  for (const char c : text) {
    const bool plain =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
    if (plain) {
      encoded += c;
    } else {
      encoded += "%" + ToHex(AsBytes(std::string_view(&c, 1)));
    }
  }
  return encoded;
}

Error FromStatus(int status) {
  const auto detail = static_cast<uint64_t>(status);
  if (status == 401 || status == 403) return Error{ErrorCode::kRefused, "the hub does not accept the token", detail};
  if (status == 404) return Error{ErrorCode::kNotFound, "the hub does not know this", detail};
  if (status == 409) return Error{ErrorCode::kConflict, "the hub holds something else under this name", detail};
  if (status == 429 || status >= 500) return Error{ErrorCode::kUnavailable, "the hub cannot take this now", detail};
  return Error{ErrorCode::kInvalid, "the hub refused", detail};
}

}  // namespace

Publisher::Publisher(HubAccess hub, std::function<void(const PublishStep&)> on_step)
    : hub_(std::move(hub)), on_step_(std::move(on_step)), client_([this] {
        http::ClientOptions options;
        options.user_agent = "tillpack";
        options.ca_file = hub_.ca_file;
        options.total_timeout_ms = 600'000;  // a payload over a slow uplink
        return options;
      }()) {
  while (!hub_.url.empty() && hub_.url.back() == '/') hub_.url.pop_back();
}

Status Publisher::Publish(const std::string& out_folder, const ReleaseRecord& release) {
  for (const ComponentRecord& component : release.components) {
    for (const PayloadRecord& payload : component.payloads) {
      TILL_TRY(SendPayload(out_folder + "/" + release.version + "/" + payload.file, payload));
    }
  }
  TILL_TRY(SendMetadata(out_folder + "/tuf"));
  std::vector<int64_t> modules;
  for (const ComponentRecord& component : release.components) {
    modules.push_back(TILL_TRY(EnsureModule(release, component)));
  }
  return EnsureDistributionSet(release, modules);
}

Result<http::Reply> Publisher::Send(http::Call call) {
  error_context_ = call.method + " " + hub_.url + call.url;
  call.url = hub_.url + call.url;
  call.headers.push_back({"Authorization", "Bearer " + hub_.token});
  http::Reply reply = TILL_TRY(client_.Send(call));
  if (reply.status >= 400 && !(call.method == "HEAD" && reply.status == 404)) {
    error_context_ += ": " + std::to_string(reply.status) + " " + reply.body.substr(0, 300);
    return FromStatus(reply.status);
  }
  return reply;
}

Result<json::Value> Publisher::SendJson(const std::string& method, const std::string& path, const json::Value& body) {
  http::Call call;
  call.method = method;
  call.url = path;
  if (method != "GET") {
    call.headers.push_back({"Content-Type", "application/json"});
    call.body = json::Write(body);
  }
  const http::Reply reply = TILL_TRY(Send(std::move(call)));
  if (reply.body.empty()) return json::Value();
  return json::Parse(reply.body);
}

Status Publisher::SendPayload(const std::string& path, const PayloadRecord& payload) {
  http::Call head;
  head.method = "HEAD";
  head.url = "/api/v1/blobs/" + ToHex(payload.sha256);
  const http::Reply have = TILL_TRY(Send(head));
  if (have.status != 200) {
    http::Call put = head;
    put.method = "PUT";
    put.body_file = path;
    put.headers.push_back({"Content-Type", "application/octet-stream"});
    TILL_TRY(Send(std::move(put)));
  }
  on_step_({payload.file, payload.length, have.status != 200});
  return Ok();
}

Status Publisher::SendMetadata(const std::string& tuf_folder) {
  const tuf::Repository repository = TILL_TRY(tuf::Repository::Open(tuf_folder));
  for (const std::string& name : TILL_TRY(repository.FileNames())) {
    http::Call put;
    put.method = "PUT";
    put.url = "/api/v1/tuf/" + name;
    const std::string path = tuf_folder + "/";
    put.body = TILL_TRY(ReadTextFile(path + name, 8 << 20));
    put.headers.push_back({"Content-Type", "application/json"});
    const uint64_t bytes = put.body.size();
    TILL_TRY(Send(std::move(put)));
    on_step_({"tuf/" + name, bytes, true});
  }
  return Ok();
}

Result<json::Value> Publisher::FindOne(const std::string& collection, const std::string& name,
                                       const std::string& version) {
  const std::string query = "name==\"" + name + "\" and version==\"" + version + "\"";
  const json::Value list = TILL_TRY(SendJson("GET", "/rest/v1/" + collection + "?limit=1&q=" + EncodeQuery(query), {}));
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
    const json::Value made = TILL_TRY(SendJson("POST", "/rest/v1/softwaremodules", json::Value::Array({wanted})));
    if (made.items().empty()) return Error{ErrorCode::kCorrupt, "the hub's answer names no software module"};
    module = made.items()[0];
  }
  const std::string metadata = "/rest/v1/softwaremodules/" + std::to_string(module["id"].AsInteger()) + "/metadata";
  const Result<json::Value> known = SendJson("GET", metadata + "/till.target", {});
  if (!known.ok() && known.error().code == ErrorCode::kNotFound) {
    json::Value entry = json::Value::Object();
    entry.Set("key", "till.target").Set("value", target).Set("targetVisible", true);
    TILL_TRY(SendJson("POST", metadata, json::Value::Array({entry})));
  } else if (!known.ok()) {
    return known.error();
  } else if ((*known)["value"].AsString() != target) {
    error_context_ = name + " " + release.version + " stands for image " + (*known)["value"].AsString();
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
    TILL_TRY(SendJson("POST", "/rest/v1/distributionsets", json::Value::Array({set})));
  }
  on_step_({"distribution set " + release.product + " " + release.version, 0, known.is_null()});
  return Ok();
}

}  // namespace till::packer
