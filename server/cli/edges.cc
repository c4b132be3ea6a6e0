#include "server/cli/edges.h"

#include "core/http/client.h"
#include "core/text.h"

namespace till::cli {
namespace {

Result<json::Value> AskEdge(const std::string& url) {
  http::ClientOptions options;
  options.user_agent = "tillctl";
  options.connect_timeout_ms = 3'000;
  options.total_timeout_ms = 5'000;
  http::Client client(options);
  http::Call call;
  call.url = url + "/status";
  const http::Reply reply = TILL_TRY(client.Send(call));
  if (reply.status != 200) {
    return Error{ErrorCode::kUnavailable, "the edge does not answer", static_cast<uint64_t>(reply.status)};
  }
  return json::Parse(reply.body);
}

std::string StatusWord(const Result<json::Value>& status) {
  if (!status.ok()) return "down";
  const std::string& origin = (*status)["origin"].AsString();
  if (origin == "ok") return origin;
  return origin == "down" ? "origin down" : "origin: " + origin;
}

}  // namespace

Result<std::vector<EdgeState>> AskEdges(HubClient& hub) {
  const json::Value config = TILL_TRY(hub.Get(kMirrorsConfig));
  std::vector<EdgeState> edges;
  for (const std::string_view part : Split(config["value"].AsString(), ' ')) {
    const std::string url(Trim(part));
    if (url.empty()) continue;
    const Result<json::Value> status = AskEdge(url);
    edges.push_back({url, StatusWord(status), status.ok() ? *status : json::Value()});
  }
  return edges;
}

}  // namespace till::cli
