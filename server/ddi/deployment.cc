#include "server/ddi/deployment.h"

#include "core/crypto/hash.h"
#include "core/text.h"
#include "server/ddi/ddi_reply.h"
#include "server/model/tenant_config.h"
#include "server/store/software.h"
#include "server/store/targets.h"

namespace till::server {
namespace {

std::string OfferedBefore(const Action& action, SoftwareModuleId module) {
  for (const Offer& offer : action.offers) {
    if (offer.module == module) return offer.payload_sha256;
  }
  return "";
}

Result<bool> FullAllowed(kv::ReadTxn& txn, const Action& action) {
  if (action.full_fallback != FullFallback::kByConfig) return action.full_fallback == FullFallback::kAllowed;
  return TILL_TRY(ConfigText(txn, config::kFullFallback)) == "allowed";
}

// hawkBit's names of module types in DDI.
std::string PartName(const std::string& type) {
  if (type == "application") return "bApp";
  if (type == "runtime") return "jvm";
  return type;
}

json::Value MetadataJson(const DeploymentPart& part, const std::string& mirrors, bool full_allowed) {
  json::Value list = json::Value::Array();
  const auto add = [&list](std::string_view key, std::string_view value) {
    list.Append(json::Value::Object({{"key", key}, {"value", value}}));
  };
  const Payload* payload = part.choice.payload;
  // Chunks may turn out to be most of the image: only then is that no more than was allowed.
  const bool says_fallback = payload && payload->chunks() && full_allowed;
  for (const Metadata& entry : part.module.metadata) {
    if (!entry.target_visible) continue;
    if (payload && (entry.key == "till.kind" || entry.key == "till.mirrors")) continue;  // ours, below
    if (says_fallback && entry.key == "till.fallback") continue;
    add(entry.key, entry.value);
  }
  if (payload) {
    add("till.kind", PayloadKindName(payload->kind));
    if (says_fallback) add("till.fallback", "full");
    if (!mirrors.empty()) add("till.mirrors", mirrors);
  }
  return list;
}

json::Value ChunkJson(const DeploymentPart& part, const DeploymentView& view) {
  json::Value chunk = json::Value::Object({
      {"part", PartName(part.module.type)},
      {"version", part.module.version},
      {"name", part.module.name},
  });
  if (part.module.encrypted) chunk.Set("encrypted", true);
  chunk.Set("artifacts", ArtifactsJson(part, view.target_url));
  json::Value metadata = MetadataJson(part, view.mirrors, view.deployment.full_allowed);
  if (!metadata.items().empty()) chunk.Set("metadata", std::move(metadata));
  return chunk;
}

}  // namespace

Result<Deployment> PlanDeployment(kv::ReadTxn& txn, std::shared_ptr<const ReleaseIndex> index, const Action& action) {
  Deployment deployment;
  deployment.index = std::move(index);
  const Terminal terminal = ReadTerminal(TILL_TRY(GetAttributes(txn, action.controller_id)));
  deployment.full_allowed = TILL_TRY(FullAllowed(txn, action));
  const DistributionSet set = TILL_TRY(GetSet(txn, action.set));
  std::vector<SoftwareModule> modules = TILL_TRY(ModulesOf(txn, set));
  Status failed;
  const auto held = [&](std::string_view sha256) {
    auto blob = FindBlob(txn, sha256);
    if (!blob.ok()) failed = blob.error();
    return blob.ok() && blob->has_value();
  };
  size_t already = 0;
  for (SoftwareModule& module : modules) {
    const ChoiceContext context{*deployment.index, terminal, deployment.full_allowed, OfferedBefore(action, module.id),
                                held};
    DeploymentPart part{std::move(module), {}, {}};
    part.choice = Choose(context, part.module);
    TILL_TRY(failed);
    const bool undecided = part.choice.kind == Choice::Kind::kNothing || part.choice.kind == Choice::Kind::kAlreadyRuns;
    if (!action.active && undecided) part.choice = {};
    if (part.choice.kind == Choice::Kind::kNothing && deployment.blocked.empty()) {
      deployment.blocked = part.choice.reason;
    }
    if (part.choice.kind == Choice::Kind::kAlreadyRuns) {
      ++already;
      continue;
    }
    if (part.choice.payload) part.blob = *TILL_TRY(FindBlob(txn, part.choice.payload->sha256));
    deployment.parts.push_back(std::move(part));
  }
  deployment.runs_already = already > 0 && already == modules.size();
  if (deployment.runs_already && action.device_answered) {
    deployment.blocked = "the terminal runs it on trial; its own word ends the action";
  }
  return deployment;
}

std::vector<Offer> Deployment::Offers() const {
  std::vector<Offer> offers;
  for (const DeploymentPart& part : parts) {
    if (part.choice.payload) offers.push_back({part.module.id, part.choice.payload->sha256});
  }
  return offers;
}

std::string Deployment::OfferWords() const {
  for (const DeploymentPart& part : parts) {
    const Payload* payload = part.choice.payload;
    if (!payload || !payload->chunks() || part.choice.reason.empty()) continue;
    return "chunks of " + FormatSize(payload->size) + " are offered: " + part.choice.reason;
  }
  return "";
}

int32_t Deployment::Fingerprint(const Action& action, int64_t now_ms) const {
  std::string text = IdText(action.id) + DownloadMode(action, now_ms) + UpdateMode(action, now_ms);
  for (const Offer& offer : Offers()) text += offer.payload_sha256;
  const crypto::Sha256Digest digest = crypto::Sha256Of(AsBytes(text));
  uint32_t hash = 0;
  for (size_t i = 0; i < 4; ++i) hash = hash << 8 | std::to_integer<uint32_t>(digest[i]);
  return static_cast<int32_t>(hash);
}

const char* DownloadMode(const Action& action, int64_t now_ms) {
  return action.forced(now_ms) || action.force_type == ForceType::kDownloadOnly ? "forced" : "attempt";
}

const char* UpdateMode(const Action& action, int64_t now_ms) {
  return action.force_type == ForceType::kDownloadOnly ? "skip" : DownloadMode(action, now_ms);
}

json::Value ArtifactJson(std::string_view filename, const Blob& blob, const std::string& url) {
  const auto link = [](std::string href) { return json::Value::Object({{"href", std::move(href)}}); };
  json::Value links = json::Value::Object();
  if (url.starts_with("https:")) {
    links.Set("download", link(url));
    links.Set("md5sum", link(url + ".MD5SUM"));
  }
  links.Set("download-http", link(url));
  links.Set("md5sum-http", link(url + ".MD5SUM"));
  return json::Value::Object({
      {"filename", filename},
      {"hashes", json::Value::Object({{"sha1", blob.sha1}, {"md5", blob.md5}, {"sha256", blob.sha256}})},
      {"size", blob.size},
      {"_links", std::move(links)},
  });
}

json::Value ArtifactsJson(const DeploymentPart& part, const std::string& target_url) {
  const std::string url = target_url + "/softwaremodules/" + IdText(part.module.id) + "/artifacts/";
  json::Value list = json::Value::Array();
  if (part.choice.payload) {
    const std::string& filename = part.choice.payload->filename;
    list.Append(ArtifactJson(filename, part.blob, url + UrlSegment(filename)));
    return list;
  }
  for (const Artifact& artifact : part.module.artifacts) {
    list.Append(ArtifactJson(artifact.filename, Blob{artifact.sha256, artifact.sha1, artifact.md5, artifact.size},
                             url + UrlSegment(artifact.filename)));
  }
  return list;
}

json::Value DeploymentJson(const DeploymentView& view) {
  json::Value chunks = json::Value::Array();
  for (const DeploymentPart& part : view.deployment.parts) chunks.Append(ChunkJson(part, view));
  json::Value deployment = json::Value::Object({
      {"download", DownloadMode(view.action, view.now_ms)},
      {"update", UpdateMode(view.action, view.now_ms)},
      {"chunks", std::move(chunks)},
  });
  return json::Value::Object({{"id", IdText(view.action.id)}, {"deployment", std::move(deployment)}});
}

}  // namespace till::server
