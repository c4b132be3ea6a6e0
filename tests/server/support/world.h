// A small hub on loopback with its clock in the test's hand and its store open to it: the real server core, the real
// store, the real DDI handler, the real artifact directory.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "core/http/client.h"
#include "core/http/server.h"
#include "core/json/json.h"
#include "server/artifacts/artifact_store.h"
#include "server/auth/operators.h"
#include "server/choose/release_index.h"
#include "server/ddi/ddi_handler.h"
#include "server/hub.h"
#include "server/model/operations.h"
#include "server/publish/access_log.h"
#include "server/store/last_seen.h"
#include "server/store/writer.h"
#include "tests/support/temp_folder.h"
#include "tests/support/test_clock.h"

namespace till::server {

std::string HexOf(std::string_view bytes);  // SHA-256

class World {
 public:
  World();
  ~World();

  // --- state ---
  void Update(const std::function<Status(kv::WriteTxn&)>& write);
  void Config(std::string_view key, const json::Value& value);
  void AddTarget(const std::string& id, const std::string& token = "");
  void SetAttributes(const std::string& id, const Attributes& attributes);
  // A module of type os with these uploads (file name, bytes) and visible metadata, in a set of the same name.
  DistributionSetId AddSet(const std::string& name, const std::string& version,
                           const std::vector<std::pair<std::string, std::string>>& files,
                           const std::vector<Metadata>& metadata = {});
  ActionId Assign(const std::string& id, DistributionSetId set, Assignment assignment = {});
  Blob AddBlob(std::string_view bytes);
  Action ReadAction(ActionId id);
  Target ReadTarget(const std::string& id);
  std::vector<ActionStatus> Statuses(ActionId id);  // oldest first
  void WaitForWrites();

  // --- calls, with the target's own token unless told otherwise ---
  http::Reply Send(const std::string& method, const std::string& path, const std::string& body = "",
                   std::vector<http::HeaderField> headers = {});
  http::Reply AsTarget(const std::string& id, const std::string& method, const std::string& rest,
                       const std::string& body = "", std::vector<http::HeaderField> headers = {});
  http::Reply Feedback(const std::string& id, ActionId action, const std::string& execution,
                       const std::string& finished, const std::string& resource = "deploymentBase");
  json::Value Poll(const std::string& id);
  // The part of a link behind ".../controller/v1/<id>/"; "" when the poll has no such link.
  std::string LinkOf(const json::Value& poll, const std::string& rel);
  std::string url() const { return "http://127.0.0.1:" + std::to_string(server->port()); }

  TempFolder folder;
  TestClock clock;
  std::unique_ptr<kv::Store> store;
  std::unique_ptr<ArtifactStore> artifacts;
  std::unique_ptr<AccessLog> access_log;
  std::unique_ptr<Operators> operators;
  ReleaseBook releases;
  LastSeen last_seen;
  std::unique_ptr<http::Server> server;
  std::unique_ptr<Writer> writer;
  std::unique_ptr<Hub> hub;
  std::unique_ptr<DdiHandler> ddi;
  std::unique_ptr<http::Client> client;
};

}  // namespace till::server
