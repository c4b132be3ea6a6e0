#include "server/choose/release_index.h"

#include "core/text.h"

namespace till::server {
namespace {

// The parts of "<kind>/<product>/<version>/<component>[/<rest>]", or nothing.
std::vector<std::string_view> PathParts(std::string_view path, std::string_view kind, size_t count) {
  std::vector<std::string_view> parts = Split(path, '/');
  if (parts.size() != count || parts[0] != kind) return {};
  return parts;
}

// Safe in a URL segment and in a header, whatever the signer called his product.
std::string SafeName(std::string_view text) {
  std::string name(text);
  for (char& c : name) {
    const bool plain =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-';
    if (!plain) c = '_';
  }
  return name;
}

// Nothing for kinds that a newer packer may know.
std::optional<PayloadKind> KindOf(const std::string& name) {
  for (const PayloadKind kind : {PayloadKind::kFull, PayloadKind::kDelta, PayloadKind::kChunks}) {
    if (name == PayloadKindName(kind)) return kind;
  }
  return std::nullopt;
}

bool IsHash(const std::string& text) { return crypto::ParseSha256(text).ok() && text == ToLower(text); }

}  // namespace

const char* PayloadKindName(PayloadKind kind) {
  switch (kind) {
    case PayloadKind::kFull:
      return "full";
    case PayloadKind::kDelta:
      return "delta";
    case PayloadKind::kChunks:
      return "chunks";
  }
  return "full";
}

ReleaseIndex::ReleaseIndex(const std::vector<const tuf::TargetEntry*>& images,
                           const std::vector<const tuf::TargetEntry*>& payloads) {
  for (const tuf::TargetEntry* entry : images) {
    const auto parts = PathParts(entry->path, "images", 4);
    if (parts.empty()) continue;
    Image image{ToHex(entry->sha256), std::string(parts[1]), std::string(parts[2]), std::string(parts[3]), {},
                entry->length};
    for (const json::Value& board : entry->custom["hardware"].items()) image.hardware.push_back(board.AsString());
    images_[image.sha256] = std::move(image);
  }
  for (const tuf::TargetEntry* entry : payloads) {
    const auto parts = PathParts(entry->path, "payloads", 5);
    if (parts.empty()) continue;
    const json::Value& custom = entry->custom;
    const std::optional<PayloadKind> kind = KindOf(custom["kind"].AsString());
    if (!kind) continue;
    Payload payload;
    payload.kind = *kind;
    payload.sha256 = ToHex(entry->sha256);
    payload.target = custom["target"].AsString();
    payload.base = *kind == PayloadKind::kDelta ? custom["base"].AsString() : "";
    payload.size = entry->length;
    payload.index_bytes = static_cast<uint64_t>(custom["index"]["length"].AsInteger());
    payload.arena_bytes = static_cast<uint64_t>(custom["arena_bytes"].AsInteger());
    payload.format = static_cast<uint64_t>(custom["format"].AsInteger());
    payload.filename = SafeName(parts[3]) + "-" + SafeName(parts[2]) + "-" + SafeName(parts[4]) + ".till";
    const bool base_is_right = *kind != PayloadKind::kDelta || IsHash(payload.base);
    const bool index_fits = !payload.chunks() || (payload.index_bytes > 0 && payload.index_bytes < payload.size);
    if (!base_is_right || !index_fits || !IsHash(payload.target)) continue;
    kinds_[payload.sha256] = payload.kind;
    payloads_[payload.target].push_back(std::move(payload));
  }
}

const Image* ReleaseIndex::FindImage(std::string_view sha256) const {
  const auto found = images_.find(sha256);
  return found == images_.end() ? nullptr : &found->second;
}

const std::vector<Payload>& ReleaseIndex::PayloadsFor(std::string_view target_sha256) const {
  static const std::vector<Payload> none;
  const auto found = payloads_.find(target_sha256);
  return found == payloads_.end() ? none : found->second;
}

std::optional<PayloadKind> ReleaseIndex::KindOfPayload(std::string_view sha256) const {
  const auto found = kinds_.find(sha256);
  return found == kinds_.end() ? std::nullopt : std::optional(found->second);
}

std::shared_ptr<const ReleaseIndex> ReleaseBook::Current() const {
  const std::lock_guard lock(mutex_);
  return index_;
}

void ReleaseBook::Replace(std::shared_ptr<const ReleaseIndex> index) {
  const std::lock_guard lock(mutex_);
  index_ = std::move(index);
}

}  // namespace till::server
