// hawkBit's Direct Device Integration v1, as texts: answers parsed into structs, requests written. Pure.
//   Lenient where hawkBit's clients are (unknown members are ignored), strict in what decides. Bounds: 256 KiB a text,
//   8 chunks, 8 artifacts each, 32 mirrors. Errors: kCorrupt for what cannot be used. Source: hawkBit's DDI API.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/crypto/hash.h"
#include "core/result.h"
#include "device/agent_state.h"

namespace till::device {

struct BaseAnswer {
  int64_t sleep_s = 0;         // 0: not said
  std::string deployment_url;  // at most one of these two
  std::string cancel_url;
  std::string config_url;
};
Result<BaseAnswer> ParseBase(std::string_view json);

struct DdiArtifact {
  std::string file_name;
  crypto::Sha256Digest sha256{};
  uint64_t size_bytes = 0;
  std::string url;  // "download" before "download-http"
};
struct DdiChunk {
  std::string part, name, version;
  std::string kind, target;          // metadata till.kind, till.target
  std::string fallback;              // metadata till.fallback: "full" allows it after a delta failed
  std::vector<std::string> mirrors;  // metadata till.mirrors
  std::vector<DdiArtifact> artifacts;
};
struct Deployment {
  std::string action;
  bool may_download = true;  // false: "skip"
  bool may_update = true;    // false: the maintenance window is closed
  std::vector<DdiChunk> chunks;
};
Result<Deployment> ParseDeployment(std::string_view json);

// The id of the action to stop.
Result<std::string> ParseCancel(std::string_view json);

// Where a mirror serves a payload.
std::string MirrorUrl(const std::string& mirror, const crypto::Sha256Digest& payload);

// The action's id in ".../deploymentBase/81?c=5" and ".../cancelAction/81"; "" when there is none.
std::string ActionOfUrl(std::string_view url);

std::string FeedbackBody(const Feedback& feedback, int64_t unix_ms);
std::string ConfigDataBody(const std::vector<std::pair<std::string, std::string>>& attributes);

// "HH:MM:SS" or "PT1H30M"; 0 when it is neither.
int64_t ParseSleepSeconds(std::string_view text);

}  // namespace till::device
