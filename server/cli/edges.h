// The edges a hub names to terminals, and what each says of itself.
#pragma once

#include <string>
#include <vector>

#include "server/cli/hub_client.h"

namespace till::cli {

// The hub knows edges as the mirrors it names to terminals: URLs with a blank between.
inline constexpr const char* kMirrorsConfig = "/rest/v1/system/configs/till.mirrors";

struct EdgeState {
  std::string url;
  // "ok", "down" (no answer), "origin down" or "origin: token refused" (it serves only what it has).
  std::string status;
  json::Value counters;  // its /status; null when it does not answer
  bool ok() const { return status == "ok"; }
};

// In the order terminals try them. At most 5 s per edge that does not answer. Errors are the hub's.
Result<std::vector<EdgeState>> AskEdges(HubClient& hub);

}  // namespace till::cli
