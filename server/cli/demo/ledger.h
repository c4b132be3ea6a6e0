// Adds up what travelled, from the access logs of edges and hub (docs/wires.md): every answered payload request with
// the range that was really handed to the network. Bytes sent twice to the same terminal are repeats; what a terminal
// received is what its own report says. The two sides are counted by different programs: that is the point.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "core/result.h"

namespace till::cli::demo {

struct Interval {
  uint64_t first;
  uint64_t end;  // one past the last byte
};

// Bytes in at least one of the intervals.
uint64_t UnionLength(std::vector<Interval> intervals);

struct Ledger {
  uint64_t requests = 0;
  uint64_t sent_bytes = 0;      // all payload bytes that servers handed to terminals
  uint64_t distinct_bytes = 0;  // counted once per terminal and payload
  uint64_t repeated_bytes() const { return sent_bytes - distinct_bytes; }
};

class LedgerBook {
 public:
  // Reads one log; lines of other requests than tilld's are skipped. kCorrupt (detail: line) for a damaged line.
  Status AddLog(const std::string& path, const std::string& server);
  Ledger Total() const;
  // Whether the terminal got any byte of a payload from this server.
  bool Served(const std::string& server, const std::string& terminal) const;
  // By server, in the order in which the logs were added.
  const std::vector<std::pair<std::string, uint64_t>>& sent_by_server() const { return sent_by_server_; }

 private:
  struct Delivery {
    std::vector<Interval> intervals;
    std::set<std::string> servers;
  };
  std::map<std::pair<std::string, std::string>, Delivery> deliveries_;  // by (terminal, payload)
  std::vector<std::pair<std::string, uint64_t>> sent_by_server_;
  uint64_t requests_ = 0;
};

}  // namespace till::cli::demo
