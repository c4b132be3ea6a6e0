// The public side of the Management API: what the event-driven server does with /rest/v1.
//   JSON calls are forwarded to the CivetWeb plane by workers, bodies buffered; artifact upload and download are served
//   here, streamed. Of the client's headers only a few named ones travel on, so that nothing a client sends can pass
//   for a word of the front's own.
//   Nobody but an operator gets further than the head of a request (server/auth/gate.h). Bounds: bodies 8 MiB (answers
//   32 MiB); `max_queued` calls wait, then 503.
#pragma once

#include <memory>
#include <string>

#include "core/http/server.h"
#include "server/hub.h"
#include "server/mgmt/plane.h"

namespace till::front {

class Front : public http::Handler {
 public:
  // Starts the plane. `hub` outlives the front.
  static Result<std::unique_ptr<Front>> Start(server::Hub& hub);

  // True for /rest/v1 and what is below it.
  static bool Takes(const http::Request& request);
  http::BodyPlan OnHead(const http::Request& request) override;
  void OnRequest(std::shared_ptr<http::Exchange> exchange) override;

  const mgmt::Plane& plane() const { return *plane_; }

 private:
  Front(server::Hub& hub, std::unique_ptr<mgmt::Plane> plane);
  http::BodyPlan PlanFor(const http::Request& request);
  http::Response Forward(const http::Request& request);
  http::Response FinishUpload(http::Exchange& exchange);
  http::Response Download(const http::Request& request);
  Result<std::string> Origin(const http::Request& request) const;

  server::Hub& hub_;
  std::unique_ptr<mgmt::Plane> plane_;
  http::WorkerPool workers_;  // last: its threads end before the rest
};

}  // namespace till::front
