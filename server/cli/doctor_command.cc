#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>

#include "core/clock.h"
#include "core/log.h"
#include "core/text.h"
#include "server/cli/commands.h"
#include "server/cli/edges.h"
#include "server/cli/faults.h"

namespace till::cli {
namespace {

struct Finding {
  bool ok;
  std::string what;
};

// What a first look at a hub must find right, in the order in which one thing depends on another.
std::vector<Finding> Examine(Session& session) {
  std::vector<Finding> findings;
  HubClient& hub = session.hub();
  const Result<json::Value> health = hub.Get("/healthz");
  findings.push_back(
      {health.ok(), "hub answers at " + hub.context().url + (health.ok() ? "" : ": " + log::Describe(health.error()))});
  if (!health.ok()) {
    findings.back().what += std::string(": ") + HubFault(health.error()).mend;
    return findings;
  }
  const Result<json::Value> user = hub.Get("/rest/v1/userinfo");
  findings.push_back({user.ok(), user.ok() ? "signed in as " + (*user)["username"].AsString()
                                           : "token: " + log::Describe(user.error())});
  if (!user.ok()) return findings;
  const Result<json::Value> timestamp = hub.Get("/" + (*user)["tenant"].AsString() + "/tuf/timestamp.json");
  const std::string& expires = timestamp.ok() ? (*timestamp)["signed"]["expires"].AsString() : std::string();
  const bool fresh = timestamp.ok() && ParseUtc(expires) > SystemClock().UnixMs() / 1000;
  findings.push_back({fresh, timestamp.ok()
                                 ? "signed metadata is valid until " + expires + (fresh ? "" : ": run tillpack renew")
                                 : "no release was published yet"});
  const Result<std::vector<EdgeState>> edges = AskEdges(hub);
  if (!edges.ok()) {
    findings.push_back({false, "edges: " + log::Describe(edges.error())});
    return findings;
  }
  if (edges->empty()) findings.push_back({true, "no edges: terminals download from the hub"});
  for (const EdgeState& edge : *edges) findings.push_back({edge.ok(), "edge " + edge.url + ": " + edge.status});
  return findings;
}

int RunDoctor(Session& session) {
  bool all = true;
  json::Value list = json::Value::Array();
  for (const Finding& finding : Examine(session)) {
    all = all && finding.ok;
    json::Value entry = json::Value::Object();
    entry.Set("ok", finding.ok).Set("what", finding.what);
    list.Append(entry);
    if (session.form() != OutputForm::kJson)
      std::printf(" %-4s %s\n", finding.ok ? "ok" : "FAIL", Printable(finding.what).c_str());
  }
  if (session.form() == OutputForm::kJson) std::printf("%s\n", json::WritePretty(list).c_str());
  return all ? 0 : 1;
}

}  // namespace

void AddDoctorCommand(CLI::App& program, GlobalOptions& options, Run& run) {
  program.add_subcommand("doctor", "Check hub, token, metadata and edges")->callback([&options, &run] {
    run = [&options] { return WithSession(options, RunDoctor); };
  });
}

}  // namespace till::cli
