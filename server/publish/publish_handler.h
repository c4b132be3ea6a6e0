// What publishers, edges and the public ask of the hub besides DDI:
//   HEAD|GET|PUT /api/v1/blobs/<sha256> operators   GET /a/<sha256>          edges (EdgeToken)
//   PUT /api/v1/tuf/<file>            operators     GET /{tenant}/tuf/<file>  anybody
#pragma once

#include "core/http/server.h"
#include "server/hub.h"
#include "server/publish/access_log.h"
#include "server/publish/tuf_depot.h"

namespace till::server {

class PublishHandler : public http::Handler {
 public:
  PublishHandler(Hub& hub, TufDepot& depot, AccessLog& access_log, http::WorkerPool& workers)
      : hub_(hub), depot_(depot), access_log_(access_log), workers_(workers) {}

  // True for paths of this handler.
  bool Takes(const http::Request& request) const;
  http::BodyPlan OnHead(const http::Request& request) override;
  void OnRequest(std::shared_ptr<http::Exchange> exchange) override;

 private:
  http::Response ServeMetadata(const http::Request& request, const std::string& name);
  http::Response ServeBlob(const http::Request& request, const std::string& sha256);
  http::Response BlobBytes(const http::Request& request, const std::string& sha256);
  http::BodyPlan PlanFor(const http::Request& request);
  Result<bool> Holds(const std::string& sha256) const;
  void FinishBlob(const std::shared_ptr<http::Exchange>& exchange, const std::string& sha256);
  http::Response StageMetadata(const http::Request& request, const std::string& name);
  void OnWorker(const std::shared_ptr<http::Exchange>& exchange, std::function<http::Response()> answer);

  Hub& hub_;
  TufDepot& depot_;
  AccessLog& access_log_;
  http::WorkerPool& workers_;
};

}  // namespace till::server
