// Hands a release to a hub: payloads, then signed metadata, then the module and distribution set that name it.
//   Everything is idempotent: a payload the hub has is not sent again, an entity that exists is kept, so that a broken
//   publication is mended by running it again. kConflict when the hub holds something else under the same name.
#pragma once

#include <functional>
#include <string>

#include "core/tuf/repository.h"
#include "packer/hub_connection.h"
#include "packer/release_record.h"

namespace till::packer {

struct PublishStep {
  std::string what;  // "rootfs.full.till"
  uint64_t bytes = 0;
  bool sent = false;  // false: the hub had it
};

class Publisher {
 public:
  Publisher(HubAccess hub, std::function<void(const PublishStep&)> on_step);
  // `error_context` tells the person which request failed and what the hub said.
  // `keys` are asked for only when a worker published meanwhile and this machine has entries to sign on top of that.
  Status Publish(const std::string& out_folder, const ReleaseRecord& release,
                 std::function<Result<tuf::RoleSet>()> keys, int64_t now_unix_s);
  // Sends the metadata, which names this version no more, and deletes the hub's set of it. Actions that already carry
  // it find no signed image; terminals refuse it.
  Status Withdraw(const std::string& out_folder, const std::string& product, const std::string& version,
                  std::function<Result<tuf::RoleSet>()> keys, int64_t now_unix_s);
  const std::string& error_context() const { return hub_.error_context(); }

 private:
  Status GoOnFromHub(const std::string& out_folder, std::function<Result<tuf::RoleSet>()> keys, int64_t now_unix_s);
  Result<int64_t> EnsureModule(const ReleaseRecord& release, const ComponentRecord& component);
  Status EnsureDistributionSet(const ReleaseRecord& release, const std::vector<int64_t>& modules);
  // Answers whether modules had to be added. kConflict when the set cannot become this release.
  Result<bool> CompleteSet(const json::Value& set, const std::vector<int64_t>& modules, const std::string& what);
  Result<json::Value> FindOne(const std::string& collection, const std::string& name, const std::string& version);

  HubConnection hub_;
  std::function<void(const PublishStep&)> on_step_;
};

// One blob, unless the hub has it already: answers true when it was sent.
Result<bool> SendBlob(HubConnection& hub, const std::string& path, const crypto::Sha256Digest& sha256);
// The whole metadata of a repository, timestamp.json last.
Status SendMetadata(HubConnection& hub, const std::string& tuf_folder,
                    const std::function<void(const PublishStep&)>& on_step);

}  // namespace till::packer
