#include "server/cli/demo/ledger.h"

#include <algorithm>

#include "core/file.h"
#include "core/json/json.h"
#include "core/text.h"

namespace till::cli::demo {

uint64_t UnionLength(std::vector<Interval> intervals) {
  std::sort(intervals.begin(), intervals.end(), [](const Interval& a, const Interval& b) { return a.first < b.first; });
  uint64_t length = 0;
  uint64_t covered = 0;
  for (const Interval& interval : intervals) {
    const uint64_t first = std::max(interval.first, covered);
    if (interval.end > first) length += interval.end - first;
    covered = std::max(covered, interval.end);
  }
  return length;
}

namespace {

// "tilld/0.1.0 (pos-07)" -> "pos-07"; "" for any other agent.
std::string TerminalOf(const std::string& agent) {
  const size_t open = agent.find('(');
  const size_t close = agent.find(')', open);
  if (agent.rfind("tilld/", 0) != 0 || open == std::string::npos || close == std::string::npos) return "";
  return agent.substr(open + 1, close - open - 1);
}

}  // namespace

Status LedgerBook::AddLog(const std::string& path, const std::string& server) {
  const std::string text = TILL_TRY(ReadTextFile(path, 64 << 20));
  uint64_t sent_here = 0;
  uint64_t number = 0;
  for (const std::string_view line : Split(text, '\n')) {
    ++number;
    if (line.empty()) continue;
    const Result<json::Value> entry = json::Parse(line);
    if (!entry.ok()) return Error{ErrorCode::kCorrupt, "a line of the access log is damaged", number};
    const std::string terminal = TerminalOf((*entry)["agent"].AsString());
    const auto first = static_cast<uint64_t>((*entry)["first"].AsInteger());
    const auto sent = static_cast<uint64_t>((*entry)["sent"].AsInteger());
    if (terminal.empty() || sent == 0) continue;
    const std::string object = (*entry)["object"].AsString();
    Delivery& delivery = deliveries_[{terminal, object}];
    delivery.intervals.push_back({first, first + sent});
    delivery.servers.insert(server);
    sent_here += sent;
    ++requests_;
  }
  sent_by_server_.emplace_back(server, sent_here);
  return Ok();
}

Ledger LedgerBook::Total() const {
  Ledger ledger;
  ledger.requests = requests_;
  for (const auto& [key, delivery] : deliveries_) {
    for (const Interval& interval : delivery.intervals) ledger.sent_bytes += interval.end - interval.first;
    ledger.distinct_bytes += UnionLength(delivery.intervals);
  }
  return ledger;
}

bool LedgerBook::Served(const std::string& server, const std::string& terminal) const {
  return std::ranges::any_of(deliveries_, [&](const auto& entry) {
    return entry.first.first == terminal && entry.second.servers.contains(server);
  });
}

}  // namespace till::cli::demo
