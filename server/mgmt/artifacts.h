// Files of a software module: filing an uploaded one, finding one to serve. The bytes come and go through the front.
#pragma once

#include <string>

#include "server/artifacts/artifact_store.h"
#include "server/mgmt/api.h"

namespace till::mgmt {

// What the client said about the file, as query or as form fields; "" = nothing.
struct UploadClaims {
  std::string filename, md5, sha1, sha256;
};

// Checks the claims against what came, makes the bytes durable and adds the artifact to the module: 201 with its view.
// Refusals: 400 checksum or name, 404 module, 409 name in use, 423 locked, 429 too many files.
Result<Response> FileArtifact(const Call& call, server::SoftwareModuleId module, const UploadClaims& claims,
                              server::ArtifactStore::Upload& upload);

Result<server::Artifact> FindArtifact(const Call& call, server::SoftwareModuleId module, server::ArtifactId artifact);

}  // namespace till::mgmt
