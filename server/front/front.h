// The public side of the Management API: what the event-driven server does with /rest/v1.
//   JSON calls are forwarded to the CivetWeb plane by workers, bodies buffered; artifact upload and download are served
//   here, streamed. Of the client's headers only a few named ones travel on, so that nothing a client sends can pass
//   for a word of the front's own.
//   Bounds: bodies 8 MiB for known operators and 1 MiB for others (answers 32 MiB); `max_queued` calls wait, then 503.
#pragma once

#include <atomic>
#include <functional>
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
  http::BodyPlan PlanUpload(const http::Request& request);
  http::Response Forward(const http::Request& request);
  http::Response FinishUpload(http::Exchange& exchange);
  http::Response Download(const http::Request& request);
  Result<std::string> Origin(const http::Request& request) const;

  server::Hub& hub_;
  std::unique_ptr<mgmt::Plane> plane_;
  const std::shared_ptr<std::atomic<int>> undecided_uploads_ = std::make_shared<std::atomic<int>>(0);  // see Verdict
  http::WorkerPool workers_;  // last: its threads end before the rest
};

}  // namespace till::front
