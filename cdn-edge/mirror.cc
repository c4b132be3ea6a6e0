#include "cdn-edge/mirror.h"

#include <unistd.h>
#include <algorithm>
#include <filesystem>

#include "cdn-edge/complain.h"
#include "cdn-edge/faults.h"
#include "core/log.h"
#include "core/text.h"

namespace till::edge {
namespace {

constexpr const char* kRoles[] = {"root", "targets", "deltas", "snapshot"};
constexpr uint64_t kVersionsKept = 4;       // of each role but root
constexpr uint64_t kLargestFile = 4 << 20;  // as core/tuf's largest cap
constexpr int64_t kNever = -1'000'000'000;

// "12.targets.json" -> {12, "targets"}; version 0 for "timestamp.json".
struct FileName {
  uint64_t version = 0;
  std::string role;
};
std::optional<FileName> ParseFileName(std::string_view name) {
  if (name == "timestamp.json") return FileName{0, "timestamp"};
  const auto parts = Split(name, '.');
  if (parts.size() != 3 || parts[2] != "json" || parts[0].size() > 18) return std::nullopt;
  const auto version = ParseUint(parts[0]);
  if (!version.ok() || *version == 0 || std::to_string(*version) != parts[0]) return std::nullopt;
  if (std::ranges::find(kRoles, parts[1]) == std::end(kRoles)) return std::nullopt;
  return FileName{*version, std::string(parts[1])};
}

std::string NameOf(uint64_t version, const std::string& role) { return std::to_string(version) + "." + role + ".json"; }

}  // namespace

Mirror::Mirror(const DataFolder& folder, Options options, OriginLink& link, Counters& counters, Clock& clock)
    : folder_(folder),
      options_(std::move(options)),
      link_(link),
      counters_(counters),
      clock_(clock),
      courier_(link),
      tried_ms_(kNever),
      table_(std::make_shared<Table>()) {}

bool Mirror::IsFileName(std::string_view name) { return ParseFileName(name).has_value(); }

std::shared_ptr<const Mirror::Table> Mirror::table() const {
  const std::lock_guard lock(table_mutex_);
  return table_;
}

Status Mirror::Load() {
  const std::lock_guard lock(refresh_mutex_);
  const bool known = FileExists(folder_.tuf() + "/root.json");
  if (!known && options_.trusted_root_file.empty()) return Ok();  // OpenClient() asks the origin at the first refresh
  TILL_TRY(OpenClient());
  std::map<std::string, std::string> roots = accepted_;
  std::error_code ignored;
  for (const auto& item : std::filesystem::directory_iterator(folder_.mirror(), ignored)) {
    const std::string name = item.path().filename().string();
    const auto parsed = ParseFileName(name);
    auto text = parsed ? ReadTextFile(item.path().string(), kLargestFile) : Error{ErrorCode::kInvalid, "not ours"};
    if (text.ok()) roots[name] = std::move(*text);
  }
  Publish(roots);
  return Ok();
}

Result<std::string> Mirror::TrustedRoot() {
  if (FileExists(folder_.tuf() + "/root.json")) return std::string();
  if (!options_.trusted_root_file.empty()) return ReadTextFile(options_.trusted_root_file, 64 * 1024);
  std::string root = TILL_TRY(courier_.FetchMetadata(options_.tenant, "1.root.json", 64 * 1024));
  log::Warn("no --trusted-root: believing the origin's first root of trust",
            {{"origin", link_.options().url}, {"sha256", ToHex(crypto::Sha256Of(AsBytes(root)))}});
  return root;
}

Status Mirror::OpenClient() {
  if (client_) return Ok();
  const std::string root = TILL_TRY(TrustedRoot());
  tuf::Client::Options options;
  options.folder = folder_.tuf();
  options.now_unix_s = [this] { return clock_.UnixMs() / 1000; };
  client_ = TILL_TRY(tuf::Client::Open(std::move(options), root));
  if (!root.empty()) accepted_[NameOf(client_->Version("root"), "root")] = root;
  return Ok();
}

int64_t Mirror::FreshMs() { return link_.down() ? options_.fresh_while_down_ms : options_.fresh_ms; }

bool Mirror::fresh() { return clock_.MonotonicMs() - tried_ms_ < FreshMs() || link_.BackoffMs() > 0; }

bool Mirror::Due() { return clock_.MonotonicMs() - tried_ms_ >= options_.refresh_every_ms && link_.BackoffMs() == 0; }

Status Mirror::Refresh() {
  const int64_t asked_ms = clock_.MonotonicMs();
  const std::lock_guard lock(refresh_mutex_);
  const bool done_meanwhile = tried_ms_ > asked_ms;
  if (done_meanwhile || clock_.MonotonicMs() - tried_ms_ < FreshMs()) return last_;
  if (link_.BackoffMs() > 0) return Error{ErrorCode::kUnavailable, "the origin is left alone for a while"};
  ++counters_.refreshes;
  last_ = RefreshLocked();
  tried_ms_ = clock_.MonotonicMs();
  if (last_.ok()) {
    told_refused_ = false;
    return last_;
  }
  ++counters_.refreshes_failed;
  const ErrorCode code = last_.error().code;
  const bool network = code == ErrorCode::kUnavailable || code == ErrorCode::kNotFound || code == ErrorCode::kCanceled;
  if (!network && !told_refused_) {
    Complain(kMetadataRefused, link_.options().url, &last_.error());
    told_refused_ = true;
  }
  return last_;
}

Status Mirror::RefreshLocked() {
  TILL_TRY(OpenClient());
  std::map<std::string, std::string> roots = accepted_;
  const Status refreshed = client_->Refresh([&](const std::string& name, uint64_t max_bytes) -> Result<std::string> {
    std::string text = TILL_TRY(courier_.FetchMetadata(options_.tenant, name, max_bytes));
    const auto parsed = ParseFileName(name);
    if (parsed && parsed->role == "root") roots[name] = text;
    return text;
  });
  if (!refreshed.ok()) return refreshed;
  Publish(roots);
  return Ok();
}

// `files`: verified earlier, or roots that the refresh just accepted (those above the trusted version it did not).
void Mirror::Publish(const std::map<std::string, std::string>& files) {
  auto next = std::make_shared<Table>();
  next->files = table()->files;
  for (const char* role : kRoles) next->versions[role] = client_->Version(role);
  next->versions["timestamp"] = client_->Version("timestamp");
  for (const auto& [name, text] : files) {
    const FileName parsed = *ParseFileName(name);
    if (parsed.version <= next->versions[parsed.role]) AddFile(*next, name, text);
  }
  for (const char* role : kRoles) {
    const uint64_t version = next->versions[role];
    if (version == 0 || next->files.contains(NameOf(version, role))) continue;
    auto text = ReadTextFile(folder_.tuf() + "/" + role + ".json", kLargestFile);
    if (text.ok()) AddFile(*next, NameOf(version, role), std::move(*text));
  }
  // The timestamp last: a crash in between leaves the older set, whole.
  auto timestamp = ReadTextFile(folder_.tuf() + "/timestamp.json", kLargestFile);
  if (timestamp.ok()) AddFile(*next, "timestamp.json", std::move(*timestamp));
  Prune(*next);
  AddObjects(*next, "targets");
  AddObjects(*next, "deltas");
  const std::lock_guard lock(table_mutex_);
  table_ = std::move(next);
}

void Mirror::AddFile(Table& table, const std::string& name, std::string text) {
  auto& kept = table.files[name];
  if (kept && *kept == text) return;
  if (const Status written = WriteFileAtomically(folder_.mirror() + "/" + name, AsBytes(text)); !written.ok()) {
    log::Warn("cannot keep a metadata file", {{"file", name}, {"error", written.error()}});
  }
  kept = std::make_shared<const std::string>(std::move(text));
}

void Mirror::Prune(Table& table) const {
  for (auto it = table.files.begin(); it != table.files.end();) {
    const FileName parsed = *ParseFileName(it->first);
    const bool old = parsed.version != 0 && parsed.version + kVersionsKept <= table.versions[parsed.role];
    if (parsed.role == "root" || !old) {
      ++it;
      continue;
    }
    unlink((folder_.mirror() + "/" + it->first).c_str());
    it = table.files.erase(it);
  }
}

void Mirror::AddObjects(Table& table, const char* role) const {
  for (const tuf::TargetEntry* entry : client_->Entries(role)) {
    Identity identity;
    identity.name = entry->sha256;
    identity.size = entry->length;
    const json::Value& chunks = entry->custom["chunks"];
    const auto list_sha256 = crypto::ParseSha256(chunks["sha256"].AsString());
    const int64_t list_length = chunks["length"].AsInteger(0);
    constexpr int64_t kLargestList = ChunkList::kHeaderBytes + (int64_t{32} << 20);
    const bool fits = list_length >= static_cast<int64_t>(ChunkList::kHeaderBytes) && list_length <= kLargestList &&
                      static_cast<uint64_t>(list_length) <= identity.size;
    if (list_sha256.ok() && fits) {
      identity.list_length = static_cast<uint64_t>(list_length);
      identity.list_sha256 = *list_sha256;
    }
    table.objects[identity.name] = identity;
  }
}

std::optional<Identity> Mirror::FindObject(const crypto::Sha256Digest& name) const {
  const auto now = table();
  const auto found = now->objects.find(name);
  if (found == now->objects.end()) return std::nullopt;
  return found->second;
}

Result<std::string> Mirror::PassOldRoot(const std::string& name) {
  const auto parsed = ParseFileName(name);
  if (!parsed || parsed->role != "root" || parsed->version >= Version("root")) {
    return Error{ErrorCode::kNotFound, "not an older root"};
  }
  const std::lock_guard lock(refresh_mutex_);
  return courier_.FetchMetadata(options_.tenant, name, 64 * 1024);
}

std::shared_ptr<const std::string> Mirror::File(const std::string& name) const {
  const auto now = table();
  const auto found = now->files.find(name);
  return found == now->files.end() ? nullptr : found->second;
}

uint64_t Mirror::Version(const std::string& role) const {
  const auto now = table();
  const auto found = now->versions.find(role);
  return found == now->versions.end() ? 0 : found->second;
}

size_t Mirror::object_count() const { return table()->objects.size(); }

}  // namespace till::edge
