#include <CLI/CLI.hpp>

#include "core/text.h"
#include "server/cli/commands.h"

namespace till::cli {
namespace {

// Edges are known to the hub as the mirrors it names to terminals.
constexpr const char* kMirrorsConfig = "/rest/v1/system/configs/till.mirrors";

Result<json::Value> AskEdge(const std::string& url) {
  http::ClientOptions options;
  options.user_agent = "tillctl";
  options.connect_timeout_ms = 3'000;
  options.total_timeout_ms = 5'000;
  http::Client client(options);
  http::Call call;
  call.url = url + "/status";
  const http::Reply reply = TILL_TRY(client.Send(call));
  if (reply.status != 200)
    return Error{ErrorCode::kUnavailable, "the edge does not answer", static_cast<uint64_t>(reply.status)};
  return json::Parse(reply.body);
}

std::string HitRatio(int64_t served, int64_t filled) {
  if (served <= 0) return "-";
  const int64_t saved = served > filled ? served - filled : 0;
  return std::to_string(100 * saved / served) + " %";
}

int ListEdges(Session& session) {
  const Result<json::Value> config = session.hub().Get(kMirrorsConfig);
  if (!config.ok()) return session.FailHub(config.error());
  Listing listing{Table({"URL", "STATUS", "SERVED", "UPSTREAM", "SAVED"}), {}, json::Value::Array()};
  for (const std::string_view part : Split((*config)["value"].AsString(), ' ')) {
    const std::string url(Trim(part));
    if (url.empty()) continue;
    const Result<json::Value> status = AskEdge(url);
    json::Value entry = json::Value::Object();
    entry.Set("url", url).Set("status", status.ok() ? "ok" : "down");
    if (status.ok()) {
      const int64_t served = (*status)["bytes_served"].AsInteger();
      const int64_t filled = (*status)["bytes_filled"].AsInteger();
      listing.table.Add({url, "ok", FormatSize(static_cast<uint64_t>(served)),
                         FormatSize(static_cast<uint64_t>(filled)), HitRatio(served, filled)});
      entry.Set("counters", *status);
    } else {
      listing.table.Add({url, "down", "-", "-", "-"});
    }
    listing.names.push_back(url);
    listing.entries.Append(entry);
  }
  Print(listing, session.form());
  return 0;
}

int SetEdges(Session& session, const std::vector<std::string>& urls) {
  std::string value;
  for (const std::string& url : urls) value += (value.empty() ? "" : " ") + url;
  json::Value body = json::Value::Object();
  body.Set("value", value);
  const Result<json::Value> done = session.hub().Put(kMirrorsConfig, body);
  return done.ok() ? 0 : session.FailHub(done.error());
}

}  // namespace

void AddEdgeCommands(CLI::App& program, GlobalOptions& options, Run& run) {
  CLI::App* edge = program.add_subcommand("edge", "Regional caches");
  edge->require_subcommand(1);
  edge->add_subcommand("ls", "List edges with what they served and what they fetched for it")
      ->callback([&options, &run] { run = [&options] { return WithSession(options, ListEdges); }; });
  auto urls = std::make_shared<std::vector<std::string>>();
  CLI::App* set = edge->add_subcommand("set", "Name the edges that terminals may use, in order");
  set->add_option("urls", *urls, "http(s)://host:port …; none: terminals go to the hub")->expected(0, 64);
  set->callback([&options, &run, urls] {
    run = [&options, urls] { return WithSession(options, [&](Session& session) { return SetEdges(session, *urls); }); };
  });
}

}  // namespace till::cli
