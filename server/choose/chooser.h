// Which payload a terminal is offered for one module: pure decisions over signed entries and what the terminal said.
//   The cheapest delta that fits what it runs. Where none does: chunks, of which the terminal fetches those that it
//   finds nowhere in what it holds, unless a full payload is allowed and cheaper. A full payload only where policy
//   allows it (journeys.md L1: a failed or missing delta never turns into a bill by itself). Otherwise nothing, and
//   why.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>

#include "server/choose/release_index.h"
#include "server/model/software.h"
#include "server/model/target.h"

namespace till::server {

// What a terminal declared about itself (attributes till.*).
struct Terminal {
  bool takes_payloads = false;                // sent till.format and at least one till.image.*
  uint64_t format = 0;                        // highest minor version of the payload format
  std::optional<uint64_t> arena_bytes;        // memory an applier may take; not sent = no limit
  std::string board;                          // "" = not sent
  std::map<std::string, std::string> images;  // component -> SHA-256 of what runs, or "unknown"
};
Terminal ReadTerminal(const Attributes& attributes);

struct Choice {
  enum class Kind : uint8_t {
    kAsUploaded,   // not a module of ours, or a terminal that takes no payloads
    kPayload,      // exactly this
    kAlreadyRuns,  // the image runs already
    kNothing,      // nothing is allowed: `reason`
  };
  Kind kind = Kind::kAsUploaded;
  const Payload* payload = nullptr;  // in the index
  std::string reason;                // of kNothing, and of chunks: why no delta
};

struct ChoiceContext {
  const ReleaseIndex& index;
  const Terminal& terminal;
  bool full_allowed = false;
  // The payload offered before, while the terminal works on it ("" = none): it stays the choice although the terminal
  // may report the new image already (on trial).
  std::string offered;
  // True when the hub has the payload's bytes.
  std::function<bool(std::string_view sha256)> held;
};
Choice Choose(const ChoiceContext& context, const SoftwareModule& module);

}  // namespace till::server
