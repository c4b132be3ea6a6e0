#include "server/choose/chooser.h"

#include <algorithm>

#include "core/text.h"

namespace till::server {
namespace {

constexpr std::string_view kImagePrefix = "till.image.";

std::string Short(std::string_view sha256) { return std::string(sha256.substr(0, 12)); }

Choice Nothing(std::string reason) { return {Choice::Kind::kNothing, nullptr, std::move(reason)}; }

// Why a payload does not fit this terminal; "" = it does.
std::string Misfit(const Payload& payload, const ChoiceContext& context) {
  const Terminal& terminal = context.terminal;
  if (payload.format > terminal.format) {
    return "wants payload format " + std::to_string(payload.format) + ", the terminal takes " +
           std::to_string(terminal.format);
  }
  if (terminal.arena_bytes && payload.arena_bytes > *terminal.arena_bytes) {
    return "wants " + FormatSize(payload.arena_bytes) + " of memory, the terminal gives " +
           FormatSize(*terminal.arena_bytes);
  }
  if (!context.held(payload.sha256)) return "has not been uploaded";
  return "";
}

bool ForBoard(const Image& image, const std::string& board) {
  return board.empty() || image.hardware.empty() ||
         std::find(image.hardware.begin(), image.hardware.end(), board) != image.hardware.end();
}

// Best of the payloads that fit; `why` tells of those that do not.
const Payload* Cheapest(const ChoiceContext& context, std::string_view target, std::string_view runs,
                        std::string* why) {
  const Payload* best = nullptr;
  const Payload* held_back = nullptr;  // a full one that policy forbids
  for (const Payload& payload : context.index.PayloadsFor(target)) {
    if (!payload.full() && payload.base != runs) continue;
    const std::string misfit = Misfit(payload, context);
    if (!misfit.empty()) {
      *why += "; " + std::string(payload.full() ? "the full payload " : "the delta ") + misfit;
      continue;
    }
    if (payload.full() && !context.full_allowed) {
      held_back = &payload;
      continue;
    }
    if (!best || payload.size < best->size) best = &payload;
  }
  if (held_back)
    *why += "; the full payload (" + FormatSize(held_back->size) + ") is not allowed (full fallback: never)";
  return best;
}

}  // namespace

Terminal ReadTerminal(const Attributes& attributes) {
  Terminal terminal;
  const auto format = attributes.find("till.format");
  if (format == attributes.end()) return terminal;
  const auto number = ParseUint(format->second);
  if (!number.ok()) return terminal;
  terminal.format = *number;
  for (auto it = attributes.lower_bound(std::string(kImagePrefix));
       it != attributes.end() && it->first.starts_with(kImagePrefix); ++it) {
    terminal.images[it->first.substr(kImagePrefix.size())] = ToLower(it->second);
  }
  terminal.takes_payloads = !terminal.images.empty();
  if (const auto board = attributes.find("till.board"); board != attributes.end()) terminal.board = board->second;
  if (const auto arena = attributes.find("till.arena_kib"); arena != attributes.end()) {
    const auto kib = ParseUint(arena->second);
    if (kib.ok() && *kib < (uint64_t{1} << 40)) terminal.arena_bytes = *kib * 1024;
  }
  return terminal;
}

Choice Choose(const ChoiceContext& context, const SoftwareModule& module) {
  const std::string target = ToLower(module.MetadataValue("till.target"));
  if (target.empty() || !context.terminal.takes_payloads) return {};
  const Image* image = context.index.FindImage(target);
  if (!image) return Nothing("image " + Short(target) + " is not in the signed metadata: publish the release first");
  const auto runs = context.terminal.images.find(image->component);
  if (runs == context.terminal.images.end()) return {};
  if (!ForBoard(*image, context.terminal.board)) {
    return Nothing("the release is not for board '" + Printable(context.terminal.board) + "'");
  }
  for (const Payload& payload : context.index.PayloadsFor(target)) {
    const bool applies = payload.full() || payload.base == runs->second || runs->second == target;
    if (payload.sha256 == context.offered && applies && Misfit(payload, context).empty()) {
      return {Choice::Kind::kPayload, &payload, ""};
    }
  }
  if (runs->second == target) return {Choice::Kind::kAlreadyRuns, nullptr, ""};
  std::string why;
  if (const Payload* best = Cheapest(context, target, runs->second, &why)) return {Choice::Kind::kPayload, best, ""};
  return Nothing("no payload leads from what runs (" + image->component + " " + Short(runs->second) + ") to " +
                 image->version + why);
}

}  // namespace till::server
