#include "device/agent_state.h"

#include <algorithm>

namespace till::device {
namespace {

constexpr uint8_t kLayout = 4;

void PutText(ByteWriter& out, const std::string& text, size_t most) {
  const size_t length = std::min(text.size(), most);
  out.Varint(length);
  out.Append(AsBytes(text).first(length));
}

Result<std::string> TakeText(ByteReader& in, size_t most) {
  const uint64_t length = TILL_TRY(in.Varint());
  if (length > most) return Error{ErrorCode::kLimit, "a text in the journal is too long", in.offset()};
  return std::string(AsText(TILL_TRY(in.Take(length))));
}

Result<crypto::Sha256Digest> TakeDigest(ByteReader& in) {
  crypto::Sha256Digest digest;
  const ByteView bytes = TILL_TRY(in.Take(digest.size()));
  std::copy(bytes.begin(), bytes.end(), digest.begin());
  return digest;
}

Result<bool> TakeBool(ByteReader& in) {
  const uint8_t value = TILL_TRY(in.U8());
  if (value > 1) return Error{ErrorCode::kCorrupt, "a flag in the journal is neither 0 nor 1", in.offset()};
  return value == 1;
}

Result<uint32_t> TakeU32(ByteReader& in) {
  const uint64_t value = TILL_TRY(in.Varint());
  if (value > UINT32_MAX) return Error{ErrorCode::kCorrupt, "a number in the journal is too large", in.offset()};
  return static_cast<uint32_t>(value);
}

void PutImage(ByteWriter& out, const SlotImage& image) {
  out.U8(image.known ? 1 : 0);
  if (!image.known) return;
  out.Append(image.sha256);
  out.Varint(image.length_bytes);
  out.Varint(image.rollback_index);
  PutText(out, image.version, AgentState::kMaxText);
}

Result<SlotImage> TakeImage(ByteReader& in) {
  SlotImage image;
  image.known = TILL_TRY(TakeBool(in));
  if (!image.known) return image;
  image.sha256 = TILL_TRY(TakeDigest(in));
  image.length_bytes = TILL_TRY(in.Varint());
  image.rollback_index = TILL_TRY(TakeU32(in));
  image.version = TILL_TRY(TakeText(in, AgentState::kMaxText));
  return image;
}

void PutPlan(ByteWriter& out, const Plan& plan) {
  out.U8(plan.component);
  out.U8(static_cast<uint8_t>(plan.kind));
  out.Append(plan.payload);
  out.Varint(plan.payload_bytes);
  out.Append(plan.chunk_list);
  out.Varint(plan.chunk_list_bytes);
  out.Append(plan.index);
  out.Varint(plan.index_bytes);
  out.Append(plan.base);
  out.Varint(plan.base_bytes);
  out.Varint(plan.arena_bytes);
  out.Varint(plan.travel_bytes);
  PutImage(out, plan.target);
  out.Varint(plan.signed_floor);
}

Result<Plan> TakePlan(ByteReader& in) {
  Plan plan;
  plan.component = TILL_TRY(in.U8());
  if (plan.component >= AgentState::kMaxComponents) {
    return Error{ErrorCode::kCorrupt, "the journal names a component that cannot be", in.offset()};
  }
  const uint8_t kind = TILL_TRY(in.U8());
  if (kind > static_cast<uint8_t>(Plan::Kind::kCopy)) {
    return Error{ErrorCode::kCorrupt, "the journal names a kind of payload that is not known", in.offset()};
  }
  plan.kind = static_cast<Plan::Kind>(kind);
  plan.payload = TILL_TRY(TakeDigest(in));
  plan.payload_bytes = TILL_TRY(in.Varint());
  plan.chunk_list = TILL_TRY(TakeDigest(in));
  plan.chunk_list_bytes = TILL_TRY(in.Varint());
  plan.index = TILL_TRY(TakeDigest(in));
  plan.index_bytes = TILL_TRY(in.Varint());
  plan.base = TILL_TRY(TakeDigest(in));
  plan.base_bytes = TILL_TRY(in.Varint());
  plan.arena_bytes = TILL_TRY(in.Varint());
  plan.travel_bytes = TILL_TRY(in.Varint());
  plan.target = TILL_TRY(TakeImage(in));
  plan.signed_floor = TILL_TRY(TakeU32(in));
  return plan;
}

void PutFeedback(ByteWriter& out, const Feedback& feedback) {
  out.U8(feedback.about_cancel ? 1 : 0);
  PutText(out, feedback.action, AgentState::kMaxText);
  out.Varint(feedback.seq);
  out.Varint(feedback.bytes);
  PutText(out, feedback.execution, AgentState::kMaxText);
  PutText(out, feedback.finished, AgentState::kMaxText);
  out.Varint(feedback.code);
  const size_t count = std::min(feedback.details.size(), AgentState::kMaxDetails);
  out.Varint(count);
  for (size_t i = 0; i < count; i++) PutText(out, feedback.details[i], AgentState::kMaxDetail);
}

Result<Feedback> TakeFeedback(ByteReader& in) {
  Feedback feedback;
  feedback.about_cancel = TILL_TRY(TakeBool(in));
  feedback.action = TILL_TRY(TakeText(in, AgentState::kMaxText));
  feedback.seq = TILL_TRY(TakeU32(in));
  feedback.bytes = TILL_TRY(in.Varint());
  feedback.execution = TILL_TRY(TakeText(in, AgentState::kMaxText));
  feedback.finished = TILL_TRY(TakeText(in, AgentState::kMaxText));
  feedback.code = TILL_TRY(TakeU32(in));
  const uint64_t count = TILL_TRY(in.Varint());
  if (count > AgentState::kMaxDetails) return Error{ErrorCode::kLimit, "too many details in the journal", in.offset()};
  for (uint64_t i = 0; i < count; i++) feedback.details.push_back(TILL_TRY(TakeText(in, AgentState::kMaxDetail)));
  return feedback;
}

// A list of at most `most`.
Result<uint64_t> TakeCount(ByteReader& in, uint64_t most) {
  const uint64_t count = TILL_TRY(in.Varint());
  if (count > most) return Error{ErrorCode::kLimit, "a list in the journal is too long", count};
  return count;
}

// Of the hash what its place leaves: the tail has body_offset % 64 bytes, the payload's start has none at all.
void PutCheckpoint(ByteWriter& out, const delta::Checkpoint& checkpoint) {
  out.Varint(checkpoint.body_offset);
  out.Varint(checkpoint.frame_index);
  out.Varint(checkpoint.target_offset);
  if (checkpoint.body_offset == 0) return;
  for (const uint32_t word : checkpoint.chunk.chain) out.U32(word);
  out.Append(ByteView(checkpoint.chunk.tail).first(checkpoint.body_offset % crypto::Sha256State::kBlockBytes));
}

Result<delta::Checkpoint> TakeCheckpoint(ByteReader& in) {
  delta::Checkpoint checkpoint;
  checkpoint.body_offset = TILL_TRY(in.Varint());
  checkpoint.frame_index = TILL_TRY(TakeU32(in));
  checkpoint.target_offset = TILL_TRY(in.Varint());
  if (checkpoint.body_offset == 0) return checkpoint;
  for (uint32_t& word : checkpoint.chunk.chain) word = TILL_TRY(in.U32());
  const ByteView tail = TILL_TRY(in.Take(checkpoint.body_offset % crypto::Sha256State::kBlockBytes));
  std::copy(tail.begin(), tail.end(), checkpoint.chunk.tail.begin());
  return checkpoint;
}

// Between kOffered and the end of the action: what flows, and what comes after it.
void PutInstallation(ByteWriter& out, const AgentState& state) {
  PutText(out, state.version, AgentState::kMaxText);
  PutPlan(out, state.plan);
  out.Varint(state.waiting.size());
  for (const Plan& plan : state.waiting) PutPlan(out, plan);
  out.U8(static_cast<uint8_t>(state.target));
  out.Varint(state.signed_floor);
  out.Varint(state.refused.size());
  for (const crypto::Sha256Digest& payload : state.refused) out.Append(payload);
  PutCheckpoint(out, state.checkpoint);
  out.Varint(state.received_bytes);
  out.Varint(state.received_before);
  out.Varint(state.total_bytes);
}

Status TakeInstallation(ByteReader& in, AgentState& state) {
  state.version = TILL_TRY(TakeText(in, AgentState::kMaxText));
  state.plan = TILL_TRY(TakePlan(in));
  const uint64_t waiting = TILL_TRY(TakeCount(in, AgentState::kMaxComponents));
  for (uint64_t i = 0; i < waiting; i++) state.waiting.push_back(TILL_TRY(TakePlan(in)));
  state.target = TILL_TRY(TakeBool(in)) ? SlotId::kB : SlotId::kA;
  state.signed_floor = TILL_TRY(TakeU32(in));
  const uint64_t refused = TILL_TRY(TakeCount(in, AgentState::kMaxRefused));
  for (uint64_t i = 0; i < refused; i++) state.refused.push_back(TILL_TRY(TakeDigest(in)));
  state.checkpoint = TILL_TRY(TakeCheckpoint(in));
  state.received_bytes = TILL_TRY(in.Varint());
  state.received_before = TILL_TRY(in.Varint());
  state.total_bytes = TILL_TRY(in.Varint());
  return Ok();
}

void PutRecord(ByteWriter& out, const AgentState& state) {
  out.Varint(state.floor);
  out.Varint(state.month);
  out.Varint(state.month_bytes);
  PutText(out, state.trouble.text, AgentState::kMaxDetail);
  PutText(out, state.trouble.action, AgentState::kMaxText);
  PutText(out, state.trouble.version, AgentState::kMaxText);
  out.SignedVarint(state.trouble.unix_s);
  for (const SlotImage& slot : state.slots) PutImage(out, slot);
  for (const auto& group : state.more_slots) {
    for (const SlotImage& slot : group) PutImage(out, slot);
  }
}

Status TakeRecord(ByteReader& in, AgentState& state) {
  state.floor = TILL_TRY(TakeU32(in));
  state.month = TILL_TRY(TakeU32(in));
  state.month_bytes = TILL_TRY(in.Varint());
  state.trouble.text = TILL_TRY(TakeText(in, AgentState::kMaxDetail));
  state.trouble.action = TILL_TRY(TakeText(in, AgentState::kMaxText));
  state.trouble.version = TILL_TRY(TakeText(in, AgentState::kMaxText));
  state.trouble.unix_s = TILL_TRY(in.SignedVarint());
  for (SlotImage& slot : state.slots) slot = TILL_TRY(TakeImage(in));
  for (auto& group : state.more_slots) {
    for (SlotImage& slot : group) slot = TILL_TRY(TakeImage(in));
  }
  return Ok();
}

// A checkpoint must lie within its payload and image: one that does not was not written by us.
Status CheckCheckpoint(const AgentState& state) {
  if (state.checkpoint.body_offset > state.plan.payload_bytes ||
      state.checkpoint.target_offset > state.plan.target.length_bytes ||
      state.received_bytes > state.plan.payload_bytes) {
    return Error{ErrorCode::kCorrupt, "the journal's checkpoint lies outside its payload"};
  }
  return Ok();
}

}  // namespace

const char* PhaseName(Phase phase) {
  switch (phase) {
    case Phase::kIdle:
      return "idle";
    case Phase::kOffered:
      return "offered";
    case Phase::kInstalling:
      return "downloading";
    case Phase::kWritten:
      return "written";
    case Phase::kVerified:
      return "verified";
    case Phase::kTrying:
      return "trying";
  }
  return "idle";
}

const char* PlanKindName(Plan::Kind kind) {
  switch (kind) {
    case Plan::Kind::kFull:
      return "full";
    case Plan::Kind::kDelta:
      return "delta";
    case Plan::Kind::kChunks:
      return "chunks";
    case Plan::Kind::kCopy:
      return "copy";
  }
  return "full";
}

Bytes EncodeState(const AgentState& state) {
  ByteWriter out;
  out.U8(kLayout);
  out.U8(static_cast<uint8_t>(state.phase));
  PutText(out, state.action, AgentState::kMaxText);
  PutText(out, state.closed_action, AgentState::kMaxText);
  PutInstallation(out, state);
  out.Varint(state.peak_rss_kib);
  out.Varint(state.feedback_seq);
  out.U8(state.reboots);
  PutText(out, state.failure, AgentState::kMaxDetail);
  out.U8(state.erase_spare ? 1 : 0);
  PutText(out, state.waiting_for, AgentState::kMaxText);
  out.SignedVarint(state.asked_unix_s);
  PutRecord(out, state);
  const size_t count = std::min(state.feedbacks.size(), AgentState::kMaxFeedbacks);
  out.Varint(count);
  for (size_t i = 0; i < count; i++) PutFeedback(out, state.feedbacks[i]);
  return std::move(out).Take();
}

Result<AgentState> DecodeState(ByteView bytes) {
  ByteReader in(bytes);
  AgentState state;
  const uint8_t layout = TILL_TRY(in.U8());
  if (layout != kLayout) return Error{ErrorCode::kUnsupported, "the journal's layout is not known", layout};
  const uint8_t phase = TILL_TRY(in.U8());
  if (phase > static_cast<uint8_t>(Phase::kTrying)) {
    return Error{ErrorCode::kCorrupt, "the journal's phase is not known", in.offset()};
  }
  state.phase = static_cast<Phase>(phase);
  state.action = TILL_TRY(TakeText(in, AgentState::kMaxText));
  state.closed_action = TILL_TRY(TakeText(in, AgentState::kMaxText));
  TILL_TRY(TakeInstallation(in, state));
  state.peak_rss_kib = TILL_TRY(in.Varint());
  state.feedback_seq = TILL_TRY(TakeU32(in));
  state.reboots = TILL_TRY(in.U8());
  state.failure = TILL_TRY(TakeText(in, AgentState::kMaxDetail));
  state.erase_spare = TILL_TRY(TakeBool(in));
  state.waiting_for = TILL_TRY(TakeText(in, AgentState::kMaxText));
  state.asked_unix_s = TILL_TRY(in.SignedVarint());
  TILL_TRY(TakeRecord(in, state));
  const uint64_t count = TILL_TRY(TakeCount(in, AgentState::kMaxFeedbacks));
  for (uint64_t i = 0; i < count; i++) state.feedbacks.push_back(TILL_TRY(TakeFeedback(in)));
  if (!in.at_end()) return Error{ErrorCode::kCorrupt, "the journal has trailing bytes", in.offset()};
  TILL_TRY(CheckCheckpoint(state));
  return state;
}

}  // namespace till::device
