#include "server/router.h"

namespace till::server {

void Router::Add(std::function<bool(const http::Request&)> takes, http::Handler& handler) {
  routes_.push_back({std::move(takes), &handler});
}

http::Handler* Router::Find(const http::Request& request) const {
  for (const Route& route : routes_) {
    if (route.takes(request)) return route.handler;
  }
  return nullptr;
}

http::BodyPlan Router::OnHead(const http::Request& request) {
  http::Handler* handler = Find(request);
  if (handler) return handler->OnHead(request);
  http::BodyPlan plan;
  plan.max_bytes = 0;  // nobody would read it
  return plan;
}

void Router::OnRequest(std::shared_ptr<http::Exchange> exchange) {
  const http::Request& request = exchange->request();
  if (request.path == "/healthz") return exchange->Respond(http::JsonResponse(200, "{\"status\":\"ok\"}"));
  http::Handler* handler = Find(request);
  if (!handler) return exchange->Respond(http::TextResponse(404, ""));
  handler->OnRequest(std::move(exchange));
}

}  // namespace till::server
