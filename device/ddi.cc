#include "device/ddi.h"

#include <algorithm>

#include "core/json/json.h"
#include "core/text.h"

namespace till::device {
namespace {

constexpr json::Limits kLimits{.max_depth = 16, .max_bytes = 256 << 10, .max_values = 4096};
constexpr size_t kMaxChunks = 8;
constexpr size_t kMaxArtifacts = 8;
constexpr size_t kMaxMirrors = 32;
constexpr size_t kMaxUrlBytes = 2048;

Error Bad(const char* what) { return Error{ErrorCode::kCorrupt, what}; }

std::string Href(const json::Value& links, std::string_view rel) {
  const std::string& url = links[rel]["href"].AsString();
  return url.size() <= kMaxUrlBytes ? url : "";
}

// hawkBit's ids come as text, as number, or empty.
std::string IdText(const json::Value& value) {
  if (value.is_integer()) return std::to_string(value.AsInteger());
  return value.AsString().size() <= AgentState::kMaxText ? value.AsString() : "";
}

Result<DdiArtifact> ReadArtifact(const json::Value& value) {
  DdiArtifact artifact;
  artifact.file_name = value["filename"].AsString();
  const auto digest = crypto::ParseSha256(value["hashes"]["sha256"].AsString());
  if (!digest.ok()) return Bad("an artifact has no sha256");
  artifact.sha256 = *digest;
  const int64_t size = value["size"].AsInteger(-1);
  if (size < 0) return Bad("an artifact has no size");
  artifact.size_bytes = static_cast<uint64_t>(size);
  const json::Value& links = value["_links"];
  artifact.url = Href(links, "download");
  if (artifact.url.empty()) artifact.url = Href(links, "download-http");
  return artifact;
}

void ReadMetadata(const json::Value& metadata, DdiChunk& chunk) {
  for (const json::Value& item : metadata.items()) {
    const std::string& key = item["key"].AsString();
    const std::string& text = item["value"].AsString();
    if (key == "till.kind") chunk.kind = text;
    if (key == "till.target") chunk.target = text;
    if (key == "till.fallback") chunk.fallback = text;
    if (key != "till.mirrors") continue;
    for (const std::string_view mirror : Split(text, ' ')) {
      if (mirror.empty() || mirror.size() > kMaxUrlBytes || chunk.mirrors.size() >= kMaxMirrors) continue;
      chunk.mirrors.emplace_back(mirror);
    }
  }
}

Result<DdiChunk> ReadChunk(const json::Value& value) {
  DdiChunk chunk;
  chunk.part = value["part"].AsString();
  chunk.name = value["name"].AsString();
  chunk.version = value["version"].AsString();
  const auto& artifacts = value["artifacts"].items();
  if (artifacts.size() > kMaxArtifacts) return Bad("a chunk has too many artifacts");
  for (const json::Value& artifact : artifacts) chunk.artifacts.push_back(TILL_TRY(ReadArtifact(artifact)));
  ReadMetadata(value["metadata"], chunk);
  return chunk;
}

// "PT1H30M5S"
int64_t ParseIsoDuration(std::string_view text) {
  int64_t total = 0;
  int64_t number = -1;
  for (const char c : text) {
    if (c >= '0' && c <= '9') {
      number = std::max<int64_t>(number, 0) * 10 + (c - '0');
      if (number > 1'000'000) return 0;
      continue;
    }
    const int64_t unit = c == 'H' ? 3600 : c == 'M' ? 60 : c == 'S' ? 1 : 0;
    if (unit == 0 || number < 0) return 0;
    total += number * unit;
    number = -1;
  }
  return number < 0 ? total : 0;
}

}  // namespace

int64_t ParseSleepSeconds(std::string_view text) {
  if (text.starts_with("PT")) return ParseIsoDuration(text.substr(2));
  const auto parts = Split(text, ':');
  if (parts.size() != 3) return 0;
  int64_t total = 0;
  for (const std::string_view part : parts) {
    const auto number = ParseUint(part);
    if (!number.ok() || *number > 59'999) return 0;
    total = total * 60 + static_cast<int64_t>(*number);
  }
  return total;
}

Result<BaseAnswer> ParseBase(std::string_view text) {
  const json::Value value = TILL_TRY(json::Parse(text, kLimits));
  if (!value.is_object()) return Bad("the server's base answer is no object");
  BaseAnswer answer;
  answer.sleep_s = ParseSleepSeconds(value["config"]["polling"]["sleep"].AsString());
  const json::Value& links = value["_links"];
  answer.deployment_url = Href(links, "deploymentBase");
  answer.cancel_url = Href(links, "cancelAction");
  answer.config_url = Href(links, "configData");
  return answer;
}

Result<Deployment> ParseDeployment(std::string_view text) {
  const json::Value value = TILL_TRY(json::Parse(text, kLimits));
  Deployment out;
  out.action = IdText(value["id"]);
  if (out.action.empty()) return Bad("the deployment has no id");
  const json::Value& deployment = value["deployment"];
  out.may_download = deployment["download"].AsString() != "skip";
  out.may_update = deployment["update"].AsString() != "skip";
  const auto& chunks = deployment["chunks"].items();
  if (chunks.size() > kMaxChunks) return Bad("the deployment has too many chunks");
  for (const json::Value& chunk : chunks) out.chunks.push_back(TILL_TRY(ReadChunk(chunk)));
  return out;
}

Result<std::string> ParseCancel(std::string_view text) {
  const json::Value value = TILL_TRY(json::Parse(text, kLimits));
  const std::string stop = IdText(value["cancelAction"]["stopId"]);
  if (stop.empty()) return Bad("the cancel request names no action");
  return stop;
}

std::string MirrorUrl(const std::string& mirror, const crypto::Sha256Digest& payload) {
  return mirror + (mirror.ends_with('/') ? "a/" : "/a/") + ToHex(payload);
}

std::string ActionOfUrl(std::string_view url) {
  url = url.substr(0, url.find_first_of("?#"));
  const size_t slash = url.rfind('/');
  if (slash == std::string_view::npos) return "";
  const std::string_view id = url.substr(slash + 1);
  for (const char c : id) {
    const bool plain =
        (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_';
    if (!plain) return "";
  }
  return id.size() <= AgentState::kMaxText ? std::string(id) : "";
}

std::string FeedbackBody(const Feedback& feedback, int64_t unix_ms) {
  json::Value details = json::Value::Array();
  for (const std::string& detail : feedback.details) details.Append(detail);
  json::Value status = json::Value::Object();
  status.Set("execution", feedback.execution);
  json::Value result = json::Value::Object();
  result.Set("finished", feedback.finished);
  status.Set("result", std::move(result));
  if (feedback.code != 0) status.Set("code", feedback.code);
  status.Set("details", std::move(details));
  json::Value body = json::Value::Object();
  body.Set("id", feedback.action);
  if (unix_ms > 0) body.Set("timestamp", unix_ms);
  body.Set("status", std::move(status));
  if (feedback.seq != 0) {
    json::Value till = json::Value::Object();
    till.Set("seq", feedback.seq);
    till.Set("bytes", feedback.bytes);
    body.Set("till", std::move(till));
  }
  return json::Write(body);
}

std::string ConfigDataBody(const std::vector<std::pair<std::string, std::string>>& attributes) {
  json::Value data = json::Value::Object();
  for (const auto& [key, text] : attributes) data.Set(key, text);
  json::Value body = json::Value::Object();
  body.Set("mode", "merge");
  body.Set("data", std::move(data));
  return json::Write(body);
}

}  // namespace till::device
