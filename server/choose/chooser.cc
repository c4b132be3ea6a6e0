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

// What of a payload will travel, as well as it can be known here. Of chunks: the index, and half of the image, since
// what the terminal holds is not known (measured on pairs of releases: a tenth to six tenths).
uint64_t ExpectedBytes(const Payload& payload) {
  return payload.chunks() ? payload.index_bytes + (payload.size - payload.index_bytes) / 2 : payload.size;
}

const char* Named(const Payload& payload) {
  if (payload.chunks()) return "the chunk object ";
  return payload.full() ? "the full payload " : "the delta ";
}

// Best of each kind that fits and is allowed; `why` tells of those that are not.
struct Candidates {
  const Payload* delta = nullptr;
  const Payload* chunks = nullptr;
  const Payload* full = nullptr;
  std::string why;

  void Take(const Payload& payload) {
    const Payload*& best = payload.full() ? full : payload.chunks() ? chunks : delta;
    if (!best || payload.size < best->size) best = &payload;
  }
};

Candidates FindCandidates(const ChoiceContext& context, std::string_view target, std::string_view runs) {
  Candidates found;
  for (const Payload& payload : context.index.PayloadsFor(target)) {
    if (payload.kind == PayloadKind::kDelta && payload.base != runs) continue;
    const std::string misfit = Misfit(payload, context);
    if (!misfit.empty()) {
      found.why += "; " + (Named(payload) + misfit);
    } else if (payload.full() && !context.full_allowed) {
      found.why += "; the full payload (" + FormatSize(payload.size) + ") is not allowed (full fallback: never)";
    } else {
      found.Take(payload);
    }
  }
  return found;
}

Choice Best(const Candidates& found, const std::string& no_delta) {
  const Payload* full = found.full;
  const Payload* chunks = found.chunks;
  if (found.delta && (!full || found.delta->size <= full->size)) return {Choice::Kind::kPayload, found.delta, ""};
  if (!chunks || (full && full->size <= ExpectedBytes(*chunks))) {
    if (full) return {Choice::Kind::kPayload, full, ""};
    return Nothing(no_delta + found.why);
  }
  std::string why = no_delta + found.why;
  if (full) why += "; the full payload (" + FormatSize(full->size) + ") is dearer";
  return {Choice::Kind::kPayload, chunks, std::move(why)};
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
    const bool applies = payload.kind != PayloadKind::kDelta || payload.base == runs->second || runs->second == target;
    if (payload.sha256 == context.offered && applies && Misfit(payload, context).empty()) {
      return {Choice::Kind::kPayload, &payload, ""};
    }
  }
  if (runs->second == target) return {Choice::Kind::kAlreadyRuns, nullptr, ""};
  return Best(FindCandidates(context, target, runs->second), "no delta leads from what runs (" + image->component +
                                                                 " " + Short(runs->second) + ") to " + image->version);
}

}  // namespace till::server
