// Sends each request to the part that takes it. One port serves DDI, publishing, metadata and the Management API.
#pragma once

#include <functional>
#include <vector>

#include "core/http/server.h"

namespace till::server {

class Router : public http::Handler {
 public:
  // Asked in order; `handler` outlives the router.
  void Add(std::function<bool(const http::Request&)> takes, http::Handler& handler);
  http::BodyPlan OnHead(const http::Request& request) override;
  void OnRequest(std::shared_ptr<http::Exchange> exchange) override;

 private:
  http::Handler* Find(const http::Request& request) const;
  struct Route {
    std::function<bool(const http::Request&)> takes;
    http::Handler* handler;
  };
  std::vector<Route> routes_;
};

}  // namespace till::server
