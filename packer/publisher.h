// Hands a release to a hub: payloads, then signed metadata, then the module and distribution set that name it.
//   Everything is idempotent: a payload the hub has is not sent again, an entity that exists is kept, so that a broken
//   publication is mended by running it again. kConflict when the hub holds something else under the same name.
#pragma once

#include <functional>
#include <string>

#include "core/http/client.h"
#include "packer/release_record.h"

namespace till::packer {

struct HubAccess {
  std::string url;    // "https://ota.example"
  std::string token;  // an operator's API token
  std::string ca_file;
};

struct PublishStep {
  std::string what;  // "rootfs.full.till"
  uint64_t bytes = 0;
  bool sent = false;  // false: the hub had it
};

class Publisher {
 public:
  Publisher(HubAccess hub, std::function<void(const PublishStep&)> on_step);
  // `error_context` tells the person which request failed and what the hub said.
  Status Publish(const std::string& out_folder, const ReleaseRecord& release);
  const std::string& error_context() const { return error_context_; }

 private:
  Status SendPayload(const std::string& path, const PayloadRecord& payload);
  Status SendMetadata(const std::string& tuf_folder);
  Result<int64_t> EnsureModule(const ReleaseRecord& release, const ComponentRecord& component);
  Status EnsureDistributionSet(const ReleaseRecord& release, const std::vector<int64_t>& modules);
  Result<http::Reply> Send(http::Call call);
  Result<json::Value> SendJson(const std::string& method, const std::string& path, const json::Value& body);
  Result<json::Value> FindOne(const std::string& collection, const std::string& name, const std::string& version);

  HubAccess hub_;
  std::function<void(const PublishStep&)> on_step_;
  http::Client client_;
  std::string error_context_;
};

}  // namespace till::packer
