#include <CLI/CLI.hpp>
#include <cstdio>

#include "core/text.h"
#include "server/cli/commands.h"
#include "server/cli/edges.h"
#include "server/cli/faults.h"

namespace till::cli {
namespace {

std::string HitRatio(int64_t served, int64_t filled) {
  if (served <= 0) return "-";
  const int64_t saved = served > filled ? served - filled : 0;
  return std::to_string(100 * saved / served) + " %";
}

int ListEdges(Session& session) {
  const Result<std::vector<EdgeState>> edges = AskEdges(session.hub());
  if (!edges.ok()) return session.FailHub(edges.error());
  Listing listing{Table({"URL", "STATUS", "SERVED", "UPSTREAM", "SAVED"}), {}, json::Value::Array()};
  for (const EdgeState& edge : *edges) {
    json::Value entry = json::Value::Object();
    entry.Set("url", edge.url).Set("status", edge.status);
    if (edge.counters.is_null()) {
      listing.table.Add({edge.url, edge.status, "-", "-", "-"});
    } else {
      const int64_t served = edge.counters["bytes_served"].AsInteger();
      const int64_t filled = edge.counters["bytes_filled"].AsInteger();
      listing.table.Add({edge.url, edge.status, FormatSize(static_cast<uint64_t>(served)),
                         FormatSize(static_cast<uint64_t>(filled)), HitRatio(served, filled)});
      entry.Set("counters", edge.counters);
    }
    listing.names.push_back(edge.url);
    listing.entries.Append(entry);
  }
  Print(listing, session.form());
  return 0;
}

int SetEdges(Session& session, const std::vector<std::string>& urls) {
  std::string value;
  for (const std::string& url : urls) {
    if (!IsServerUrl(url)) return FailUsage(kBadUrl, url);
    if (!value.empty()) value += ' ';
    value += url;
  }
  json::Value body = json::Value::Object();
  body.Set("value", value);
  const Result<json::Value> done = session.hub().Put(kMirrorsConfig, body);
  if (!done.ok()) return session.FailHub(done.error());
  if (urls.empty()) {
    std::fprintf(stderr, "no edges: terminals download from the hub\n");
  } else {
    std::fprintf(stderr, "%zu edges are named to terminals, the first one first\n", urls.size());
  }
  return 0;
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
