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
  std::string what;
  const Fault* fault = nullptr;  // null: it is as it must be
};

Finding OfEdge(const EdgeState& edge) {
  const std::string what = "edge " + edge.url + ": " + edge.status;
  if (edge.ok()) return {what};
  return {what, edge.counters.is_null() ? &kEdgeDown : &kEdgeAlone};
}

Finding OfMetadata(const Result<json::Value>& timestamp) {
  const bool none = !timestamp.ok() && timestamp.error().code == ErrorCode::kNotFound;
  if (none) return {"no signed metadata", &kNothingPublished};
  if (!timestamp.ok()) return {"metadata: " + log::Describe(timestamp.error()), &HubFault(timestamp.error())};
  const std::string& expires = (*timestamp)["signed"]["expires"].AsString();
  const bool fresh = ParseUtc(expires) > SystemClock().UnixMs() / 1000;
  return {"signed metadata is valid until " + expires, fresh ? nullptr : &kMetadataExpired};
}

// What a first look at a hub must find right, in the order in which one thing depends on another.
std::vector<Finding> Examine(Session& session) {
  std::vector<Finding> findings;
  HubClient& hub = session.hub();
  const auto failed = [&](const std::string& what, const Error& error) {
    findings.push_back({what + ": " + log::Describe(error), &HubFault(error)});
    return findings;
  };
  const Result<json::Value> health = hub.Get("/healthz");
  if (!health.ok()) return failed("hub at " + hub.context().url, health.error());
  findings.push_back({"hub answers at " + hub.context().url});
  const Result<json::Value> user = hub.Get("/rest/v1/userinfo");
  if (!user.ok()) return failed("token", user.error());
  findings.push_back({"signed in as " + (*user)["username"].AsString()});
  findings.push_back(OfMetadata(hub.Get("/" + (*user)["tenant"].AsString() + "/tuf/timestamp.json")));
  const Result<std::vector<EdgeState>> edges = AskEdges(hub);
  if (!edges.ok()) return failed("edges", edges.error());
  if (edges->empty()) findings.push_back({"no edges: terminals download from the hub"});
  for (const EdgeState& edge : *edges) findings.push_back(OfEdge(edge));
  return findings;
}

void PrintFinding(const Finding& finding) {
  if (finding.fault == nullptr) {
    std::printf(" ok   %s\n", Printable(finding.what).c_str());
  } else {
    std::printf(" FAIL %s %s: %s\n      do: %s\n", finding.fault->code, Printable(finding.what).c_str(),
                finding.fault->what, finding.fault->mend);
  }
}

int RunDoctor(Session& session) {
  bool all = true;
  json::Value list = json::Value::Array();
  const bool as_json = session.form() == OutputForm::kJson;
  for (const Finding& finding : Examine(session)) {
    const bool ok = finding.fault == nullptr;
    all = all && ok;
    json::Value entry = json::Value::Object();
    entry.Set("ok", ok).Set("what", finding.what);
    if (!ok) entry.Set("code", finding.fault->code).Set("mend", finding.fault->mend);
    list.Append(entry);
    if (!as_json) PrintFinding(finding);
  }
  if (as_json) std::printf("%s\n", json::WritePretty(list).c_str());
  return all ? 0 : 1;
}

}  // namespace

void AddDoctorCommand(CLI::App& program, GlobalOptions& options, Run& run) {
  program.add_subcommand("doctor", "Check hub, token, metadata and edges")->callback([&options, &run] {
    run = [&options] { return WithSession(options, RunDoctor); };
  });
}

}  // namespace till::cli
