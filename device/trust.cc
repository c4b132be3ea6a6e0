#include "device/trust.h"

#include <algorithm>
#include <cstring>
#include <set>

#include "core/text.h"
#include "delta/chunks/chunk_index.h"
#include "delta/format/format.h"
#include "device/faults.h"
#include "device/version.h"

namespace till::device {
namespace {

// No clock of ours runs before this program was written (2026-11-22).
constexpr int64_t kBuildUnixS = 1'795'305'600;
// A clock this far ahead of everything signed is broken (a dead RTC says 2038 or 2106 as well as 1970), and everything
// signed would look expired for ever. A terminal that lay on a shelf for longer believes its clock again once it has
// seen metadata of today.
constexpr int64_t kMostAheadS = int64_t{10} * 366 * 86'400;

// "images/<product>/<version>/<component>"
struct ImagePath {
  std::string_view product, version, component;
};

std::optional<ImagePath> ParseImagePath(std::string_view path) {
  const auto parts = Split(path, '/');
  if (parts.size() != 4 || parts[0] != "images") return std::nullopt;
  return ImagePath{parts[1], parts[2], parts[3]};
}

// A whole number of `custom` within bounds.
bool TakeNumber(const json::Value& custom, std::string_view key, uint64_t most, uint64_t& out) {
  const json::Value& value = custom[key];
  if (!value.is_integer() || value.AsInteger() < 0 || static_cast<uint64_t>(value.AsInteger()) > most) return false;
  out = static_cast<uint64_t>(value.AsInteger());
  return true;
}

constexpr Plan::Kind kPayloads[] = {Plan::Kind::kFull, Plan::Kind::kDelta, Plan::Kind::kChunks};

bool ReadIndexEntry(const tuf::TargetEntry& entry, Plan& plan) {
  const json::Value& index = entry.custom["index"];
  const auto digest = crypto::ParseSha256(index["sha256"].AsString());
  if (!digest.ok() || !TakeNumber(index, "length", delta::ChunkIndex::kMaxEncodedBytes, plan.index_bytes)) return false;
  plan.index = *digest;
  plan.travel_bytes = plan.index_bytes;
  return plan.index_bytes > 0 &&
         plan.chunk_list_bytes + plan.index_bytes + plan.target.length_bytes == plan.payload_bytes;
}

// What will travel, as well as it can be known before the base is looked through: half of an image whose chunks it is.
uint64_t ExpectedBytes(const Plan& plan) {
  if (plan.kind != Plan::Kind::kChunks) return plan.payload_bytes;
  return plan.index_bytes + plan.target.length_bytes / 2;
}

bool IsBetter(const Plan& plan, const Plan& than) {
  const auto chunks_and_delta = [](const Plan& a, const Plan& b) {
    return a.kind == Plan::Kind::kChunks && b.is_delta();
  };
  if (chunks_and_delta(plan, than)) return false;
  return chunks_and_delta(than, plan) || ExpectedBytes(plan) < ExpectedBytes(than);
}

bool ReadPayloadEntry(const tuf::TargetEntry& entry, Plan& plan, uint64_t& format) {
  const json::Value& custom = entry.custom;
  const std::string& kind = custom["kind"].AsString();
  const auto found = std::find_if(std::begin(kPayloads), std::end(kPayloads),
                                  [&](Plan::Kind each) { return kind == PlanKindName(each); });
  if (found == std::end(kPayloads)) return false;
  plan.kind = *found;
  plan.payload = entry.sha256;
  plan.payload_bytes = entry.length;
  plan.travel_bytes = entry.length;
  const auto target = crypto::ParseSha256(custom["target"].AsString());
  const auto chunk_list = crypto::ParseSha256(custom["chunks"]["sha256"].AsString());
  if (!target.ok() || !chunk_list.ok()) return false;
  plan.target.sha256 = *target;
  plan.chunk_list = *chunk_list;
  constexpr uint64_t kMost = delta::kMaxImageBytes;
  if (!TakeNumber(custom["chunks"], "length", entry.length, plan.chunk_list_bytes) ||
      !TakeNumber(custom, "target_length", kMost, plan.target.length_bytes) ||
      !TakeNumber(custom, "arena_bytes", kMost, plan.arena_bytes) ||
      !TakeNumber(custom, "format", UINT16_MAX, format)) {
    return false;
  }
  if (plan.kind == Plan::Kind::kChunks) return ReadIndexEntry(entry, plan);
  if (!plan.is_delta()) return true;
  const auto base = crypto::ParseSha256(custom["base"].AsString());
  if (!base.ok() || !TakeNumber(custom, "base_length", kMost, plan.base_bytes)) return false;
  plan.base = *base;
  return true;
}

bool ListsHardware(const json::Value& custom, const std::string& board) {
  const auto& items = custom["hardware"].items();
  return std::any_of(items.begin(), items.end(), [&](const json::Value& item) { return item.AsString() == board; });
}

// Checks of the image entry: hardware, product, slot class, version, floor.
std::optional<Refusal> CheckImage(const tuf::TargetEntry& image, const TerminalFacts& facts, Plan& plan) {
  const auto path = ParseImagePath(image.path);
  if (!path) return Refuse(kNotSigned, Printable(image.path));
  if (!ListsHardware(image.custom, facts.board)) {
    return Refuse(kWrongBoard, Printable(image.path) + " does not list " + facts.board);
  }
  const std::string& slot_class = image.custom["slot_class"].AsString();
  if (path->product != facts.product || path->component != facts.component || slot_class != facts.component) {
    return Refuse(kWrongComponent, Printable(image.path));
  }
  uint64_t index = 0;
  if (!TakeNumber(image.custom, "rollback_index", UINT32_MAX, index)) {
    return Refuse(kNotSigned, "the image entry has no rollback_index");
  }
  uint64_t signed_floor = index;  // a raised index says that older ones must never run again, unless `floor` says less
  if (image.custom.Has("floor") && !TakeNumber(image.custom, "floor", UINT32_MAX, signed_floor)) {
    return Refuse(kNotSigned, "the image entry's floor is no number");
  }
  plan.target.known = true;
  plan.target.version = image.custom["version"].AsString();
  plan.target.rollback_index = static_cast<uint32_t>(index);
  plan.signed_floor = static_cast<uint32_t>(std::min(signed_floor, index));
  if (plan.target.version != path->version || plan.target.version.size() > AgentState::kMaxText) {
    return Refuse(kNotSigned, "the image entry's version and path differ");
  }
  if (index < facts.floor) {
    return Refuse(kBelowFloor, "index " + std::to_string(index) + ", floor " + std::to_string(facts.floor));
  }
  const bool same_image = facts.running.known && facts.running.sha256 == plan.target.sha256;
  if (!same_image && facts.running.known && CompareVersions(plan.target.version, facts.running.version) <= 0) {
    return Refuse(kOlderVersion, plan.target.version + " offered, " + facts.running.version + " runs");
  }
  return std::nullopt;
}

// Checks of the payload entry against the terminal: format, memory, base.
std::optional<Refusal> CheckPayload(const Plan& plan, uint64_t format, const TerminalFacts& facts) {
  if (format > delta::kMinorVersion) {
    return Refuse(kFormatTooNew, std::to_string(format) + ", this agent knows " + std::to_string(delta::kMinorVersion));
  }
  if (plan.arena_bytes > facts.arena_bytes) {
    return Refuse(kTooMuchMemory,
                  FormatSize(plan.arena_bytes) + " needed, " + FormatSize(facts.arena_bytes) + " granted");
  }
  if (!plan.is_delta()) return std::nullopt;
  if (!facts.running.known) return Refuse(kImageUnknown, "");
  if (plan.base != facts.running.sha256 || plan.base_bytes != facts.running.length_bytes) {
    return Refuse(kWrongBase, "it is made from " + ToHex(plan.base).substr(0, 16) + ", here runs " +
                                  ToHex(facts.running.sha256).substr(0, 16));
  }
  return std::nullopt;
}

}  // namespace

Result<std::unique_ptr<Trust>> Trust::Open(const std::string& folder, std::string_view trusted_root, Clock& clock,
                                           Expiry expiry) {
  std::unique_ptr<Trust> trust(new Trust(clock));
  tuf::Client::Options options;
  options.folder = folder;
  options.now_unix_s = [self = trust.get(), expiry] {
    const int64_t newest = self->client_ ? self->client_->NewestSignedUnixS() : 0;
    return expiry == Expiry::kBySignedTime ? newest : self->NowUnixS();
  };
  options.tolerate_expired_root = true;  // a newer root must still get in
  trust->client_ = TILL_TRY(tuf::Client::Open(std::move(options), trusted_root));
  return trust;
}

int64_t Trust::ProvenUnixS() const { return std::max(kBuildUnixS, client_ ? client_->NewestSignedUnixS() : 0); }

int64_t Trust::TimeOf(int64_t wall_unix_s, int64_t signed_unix_s) {
  const int64_t proven = std::max(kBuildUnixS, signed_unix_s);
  return wall_unix_s - proven > kMostAheadS ? proven : std::max(proven, wall_unix_s);
}

int64_t Trust::NowUnixS() const { return TimeOf(clock_.UnixMs() / 1000, ProvenUnixS()); }

bool Trust::ClockIsWrong() const {
  const int64_t ahead_s = clock_.UnixMs() / 1000 - ProvenUnixS();
  return ahead_s < 0 || ahead_s > kMostAheadS;
}

bool Trust::IsTooEarly(int64_t unix_s) { return unix_s < kBuildUnixS; }

Status Trust::Refresh(const tuf::Fetch& fetch) { return client_->Refresh(fetch); }

bool Trust::IsExpiry(const Error& error) {
  return error.code == ErrorCode::kRefused && strstr(error.what, "has expired") != nullptr;
}

const tuf::TargetEntry* Trust::FindImage(const crypto::Sha256Digest& digest) const {
  return client_->FindBySha256(digest, "targets");
}

std::optional<Refusal> Trust::CheckIdentity(const TerminalFacts& facts) const {
  std::set<std::string> others, boards;
  for (const tuf::TargetEntry* image : client_->Entries("targets")) {
    const auto path = ParseImagePath(image->path);
    if (!path) continue;
    if (path->product != facts.product || path->component != facts.component) {
      others.insert(std::string(path->product) + "/" + std::string(path->component));
      continue;
    }
    if (ListsHardware(image->custom, facts.board)) return std::nullopt;
    for (const json::Value& board : image->custom["hardware"].items()) boards.insert(board.AsString());
  }
  const auto list = [](const std::set<std::string>& names) {
    std::string text;
    for (const std::string& name : names) text += (text.empty() ? "" : " and ") + Printable(name);
    return text;
  };
  if (!boards.empty())
    return Refuse(kWrongBoard, "board = " + facts.board + ", and the signed images are for " + list(boards));
  if (others.empty()) return std::nullopt;
  return Refuse(kWrongComponent, "product = " + facts.product + ", component = " + facts.component +
                                     ", and the signed images are of " + list(others));
}

// One artifact against the terminal: the refusal, or nothing and the plan.
std::optional<Refusal> Trust::CheckArtifact(const DdiArtifact& artifact, const DdiChunk& chunk,
                                            const TerminalFacts& facts, Plan& plan, bool& same) const {
  const tuf::TargetEntry* entry = client_->FindBySha256(artifact.sha256, "deltas");
  uint64_t format = 0;
  if (!entry || entry->length != artifact.size_bytes || !ReadPayloadEntry(*entry, plan, format)) {
    return Refuse(kNotSigned, Printable(artifact.file_name));
  }
  const tuf::TargetEntry* image = client_->FindBySha256(plan.target.sha256, "targets");
  if (!image || image->length != plan.target.length_bytes ||
      (!chunk.target.empty() && chunk.target != ToHex(plan.target.sha256))) {
    return Refuse(kNotSigned, "no image entry for what " + Printable(artifact.file_name) + " yields");
  }
  auto refusal = CheckImage(*image, facts, plan);
  same = !refusal && facts.running.known && facts.running.sha256 == plan.target.sha256;
  if (!refusal && !same) refusal = CheckPayload(plan, format, facts);
  return refusal;
}

std::optional<Refusal> Trust::Check(const Deployment& deployment, const TerminalFacts& facts,
                                    AcceptedOffer& out) const {
  std::optional<Refusal> first;
  std::optional<AcceptedOffer> best;
  bool delta_seen = !facts.refused.empty();
  bool full_held_back = false;
  const auto is_not_full = [&](const DdiArtifact& artifact) {
    const tuf::TargetEntry* entry = client_->FindBySha256(artifact.sha256, "deltas");
    const auto kind = entry ? entry->custom["kind"].AsString() : "";
    return kind == "delta" || kind == "chunks";
  };
  for (size_t c = 0; c < deployment.chunks.size(); c++) {
    const DdiChunk& chunk = deployment.chunks[c];
    delta_seen = delta_seen || std::any_of(chunk.artifacts.begin(), chunk.artifacts.end(), is_not_full);
    for (size_t a = 0; a < chunk.artifacts.size(); a++) {
      const DdiArtifact& artifact = chunk.artifacts[a];
      const auto given_up = std::find(facts.refused.begin(), facts.refused.end(), artifact.sha256);
      if (artifact.file_name == kMetadataArtifact || given_up != facts.refused.end()) continue;
      AcceptedOffer offer;
      auto refusal = CheckArtifact(artifact, chunk, facts, offer.plan, offer.runs_already);
      if (refusal) {
        if (!first) first = std::move(refusal);
        continue;
      }
      if (offer.plan.kind == Plan::Kind::kFull && !offer.runs_already && delta_seen && !facts.full_fallback) {
        full_held_back = true;
        continue;
      }
      offer.chunk = c;
      offer.artifact = a;
      if (!best || IsBetter(offer.plan, best->plan)) best = std::move(offer);
    }
  }
  if (best) {
    out = std::move(*best);
    return std::nullopt;
  }
  if (full_held_back) {
    return Refuse(kFullNotAllowed, first ? first->Reason() : "its delta was given up");
  }
  if (!first) first = Refuse(kServerAnswer, "the deployment holds no artifact");
  return first;
}

}  // namespace till::device
