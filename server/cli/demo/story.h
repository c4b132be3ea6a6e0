// The demo's story on a built Stage: a rollout in waves over all terminals but the last; one loses power at 60 % of its
// download; the last one gets the image that fails its health check; an edge goes away. Ends with figures that were
// measured, and with the sums that must agree.
#pragma once

#include "server/cli/demo/ledger.h"
#include "server/cli/demo/stage.h"

namespace till::cli::demo {

struct StoryOutcome {
  unsigned confirmed = 0;
  unsigned rolled_back = 0;
  std::string rollback_reason;  // as the hub shows it
  unsigned failed_over = 0;     // terminals of edge-2 that got bytes from edge-1
  uint64_t power_cut_at_bytes = 0;
  uint64_t payload_bytes = 0;         // the delta old -> new
  uint64_t full_image_bytes = 0;      // what full images for all would have moved
  uint64_t received_bytes = 0;        // by the terminals' own count
  uint64_t applier_peak_rss_kib = 0;  // the highest of all terminals
  Ledger ledger;
  std::vector<std::pair<std::string, uint64_t>> sent_by_server;
  uint64_t edge_filled_bytes = 0;   // what the edges fetched from the hub
  std::vector<std::string> faults;  // everything that is not as it must be; empty when the story holds
};

class Story {
 public:
  Story(Stage& stage, Narrate narrate) : stage_(stage), narrate_(std::move(narrate)) {}
  // Plays it; an Error when it could not go on (the hub gone, a standstill of five minutes).
  Status Play();
  // Adds up, while everything still runs.
  Result<StoryOutcome> Conclude();

 private:
  Terminal& cut_terminal() { return *stage_.terminals()[6 % stage_.terminals().size()]; }
  Terminal& bad_terminal() { return *stage_.terminals().back(); }
  Status StartRollout();
  Status AssignBadRelease();
  void MaybeCutPower();
  void MaybeStopEdge();
  Result<bool> Finished();
  void Tell();
  void CheckSlots(StoryOutcome& outcome);
  Status ReadLogs(StoryOutcome& outcome);
  Status ReadReports(StoryOutcome& outcome);
  Status ReadEdgeCounters();

  Stage& stage_;
  Narrate narrate_;
  int64_t rollout_id_ = 0;
  bool power_was_cut_ = false;
  bool edge_was_stopped_ = false;
  uint64_t power_cut_at_bytes_ = 0;
  uint64_t edge_filled_bytes_ = 0;
  std::string last_line_;
  int64_t told_at_ms_ = 0;
  json::Value rollout_;
  json::Value bad_target_;
  std::vector<std::string> of_second_edge_;  // terminals that try edge-2 first
};

}  // namespace till::cli::demo
