// An artifact upload on its way in: multipart/form-data, streamed into the artifact directory while it comes.
//   Thread rule: Write() on the loop thread; the rest after the body is complete.
#pragma once

#include <memory>
#include <string>

#include "core/http/server.h"
#include "server/artifacts/artifact_store.h"
#include "server/front/multipart.h"
#include "server/mgmt/artifacts.h"

namespace till::front {

class UploadSink : public http::BodySink, private PartVisitor {
 public:
  UploadSink(std::string boundary, std::unique_ptr<server::ArtifactStore::Upload> upload)
      : upload_(std::move(upload)), parser_(std::move(boundary), *this) {}
  Status Write(ByteView bytes) override { return parser_.Write(bytes); }

  // The body is complete. kInvalid when it has no file or ends early.
  Status Finish() const;
  // What the form fields and the file part said.
  const mgmt::UploadClaims& claims() const { return claims_; }
  server::ArtifactStore::Upload& upload() { return *upload_; }

 private:
  Status OnPart(const PartHead& head) override;
  Status OnPartData(ByteView bytes) override;
  Status OnPartEnd() override;

  std::unique_ptr<server::ArtifactStore::Upload> upload_;
  MultipartParser parser_;
  mgmt::UploadClaims claims_;
  std::string* field_ = nullptr;  // the form field that is coming in
  bool in_file_ = false;
  bool has_file_ = false;
};

}  // namespace till::front
