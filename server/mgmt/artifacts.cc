#include "server/mgmt/artifacts.h"

#include "core/text.h"
#include "server/mgmt/views.h"
#include "server/store/software.h"

namespace till::mgmt {
namespace {

// A name that can stand in a header, in a URL and in a log: no folder, no quote, no control character.
bool IsFilename(std::string_view name) {
  if (name.size() > 256 || !NameFitsUrl(name)) return false;
  for (const char c : name) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f ||
        std::string_view("/\\\"<>").find(c) != std::string_view::npos) {
      return false;
    }
  }
  return true;
}

std::optional<Response> RefuseClaims(const UploadClaims& claims, const server::Blob& blob) {
  if (!IsFilename(claims.filename)) return Refuse(400, "artifact.uploadFailed", "the file name is missing or unusable");
  const struct {
    const std::string& claimed;
    const std::string& actual;
    const char* code;
  } sums[] = {{claims.md5, blob.md5, "artifact.uploadFailed.checksum.md5.match"},
              {claims.sha1, blob.sha1, "artifact.uploadFailed.checksum.sha1.match"},
              {claims.sha256, blob.sha256, "artifact.uploadFailed.checksum.sha256.match"}};
  for (const auto& sum : sums) {
    if (sum.claimed.empty() || EqualsIgnoreCase(Trim(sum.claimed), sum.actual)) continue;
    return Refuse(400, sum.code, "the file's checksum is not the one given");
  }
  return std::nullopt;
}

std::optional<Response> RefuseModule(const server::SoftwareModule& module, const std::string& filename) {
  if (module.deleted) return Refuse(404, "repo.entityNotFound", "no such software module");
  if (module.FindArtifact(filename) != nullptr) {
    return Refuse(409, "repo.entitiyAlreayExists", "the module has a file of that name already");
  }
  if (module.locked) return Refuse(423, "entity.locked", "the software module is locked: it was assigned");
  if (module.artifacts.size() >= server::kMaxArtifactsPerModule) {
    return Refuse(429, "quota.tooManyEntries", "the module has as many files as it may");
  }
  return std::nullopt;
}

}  // namespace

Result<Response> FileArtifact(const Call& call, server::SoftwareModuleId id, const UploadClaims& claims,
                              server::ArtifactStore::Upload& upload) {
  const server::Blob blob = TILL_TRY(upload.Finish());
  if (auto refusal = RefuseClaims(claims, blob)) return *refusal;
  // Asked before the bytes are kept, and again in the transaction that names them.
  const Response known = TILL_TRY(Reading(call, [&](kv::ReadTxn& txn) -> Result<Response> {
    const auto module = TILL_TRY(server::GetModule(txn, id));
    return RefuseModule(module, claims.filename).value_or(NoContent());
  }));
  if (known.status >= 400) return known;
  TILL_TRY(upload.Commit());
  return Writing(call, [&](kv::WriteTxn& txn) -> Result<Response> {
    server::SoftwareModule module = TILL_TRY(server::GetModule(txn, id));
    if (auto refusal = RefuseModule(module, claims.filename)) return *refusal;
    TILL_TRY(server::PutBlob(txn, blob));
    server::Artifact artifact;
    artifact.id = TILL_TRY(server::NextArtifactId(txn));
    artifact.filename = claims.filename;
    artifact.sha256 = blob.sha256;
    artifact.sha1 = blob.sha1;
    artifact.md5 = blob.md5;
    artifact.size = blob.size;
    Touch(artifact.audit, call.actor());
    module.artifacts.push_back(artifact);
    Touch(module.audit, call.actor());
    TILL_TRY(server::PutModule(txn, module));
    return JsonAnswer(201, ArtifactView(call, module, artifact));
  });
}

Result<server::Artifact> FindArtifact(const Call& call, server::SoftwareModuleId module_id, server::ArtifactId id) {
  server::Artifact found;
  TILL_TRY(call.hub.store.View([&](kv::ReadTxn& txn) -> Status {
    const auto module = TILL_TRY(server::GetModule(txn, module_id));
    for (const server::Artifact& artifact : module.artifacts) {
      if (artifact.id != id) continue;
      found = artifact;
      return Ok();
    }
    return Error{ErrorCode::kNotFound, "no such artifact", 0};
  }));
  return found;
}

}  // namespace till::mgmt
