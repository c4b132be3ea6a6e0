#include "tests/power/explore.h"

#include <algorithm>

namespace till::power {
namespace {

constexpr uint64_t kChunkBytes = 32 << 10;
const char* const kTearNames[] = {"before", "half", "random bits", "unstable"};

std::string PlaceOf(const Trace& trace, size_t index, Tear tear) {
  const FlashOp& op = trace.operations()[index];
  return "op " + std::to_string(index) + "/" + std::to_string(trace.operations().size()) +
         (op.erase ? " erase" : " program") + " at " + std::to_string(op.offset) + " " +
         kTearNames[static_cast<size_t>(tear)];
}

class Explorer {
 public:
  Explorer(const Scenario& scenario, const ExploreOptions& options) : scenario_(scenario), options_(options) {}

  Tally Run() {
    World world = scenario_.start;
    Trace trace(world, HeadPath(options_.data_dir));
    const Verdict verdict = Drive(scenario_.site, options_.data_dir, world, {.trace = &trace});
    Judge(verdict, world, "uncut");
    tally_.ops = trace.operations().size();
    NoteWear(world);
    if (tally_.good()) CutEverywhere(scenario_.start, trace, {world.server.served_bytes, 1, 1, ""});
    return tally_;
  }

 private:
  void NoteWear(const World& world) {
    const Geometry& g = scenario_.site.geometry;
    const auto& wear = world.chip.wear();
    const auto& before = scenario_.start.chip.wear();
    for (size_t block = 0; block < wear.size(); block++) {
      const uint64_t at = block * uint64_t{g.block_bytes};
      uint64_t& most = at < g.journal_at() ? tally_.boot_wear
                       : at < g.slot_at(0) ? tally_.journal_wear
                                           : tally_.slot_wear;
      most = std::max<uint64_t>(most, wear[block] - before[block]);
    }
  }

  void Fail(uint64_t& counter, uint64_t count, const std::string& reason, const std::string& place) {
    counter += count;
    if (count > 0 && tally_.reason.empty()) tally_.reason = reason + " (" + place + ")";
  }

  void Judge(const Verdict& verdict, World& world, const std::string& place) {
    tally_.boots += verdict.boots;
    Fail(tally_.not_bootable, verdict.not_bootable, verdict.reason, place);
    Fail(tally_.unverified_boots, verdict.unverified_boots, verdict.reason, place);
    Fail(tally_.floor_ahead, verdict.floor_ahead, verdict.reason, place);
    Fail(tally_.operator_needed, verdict.stuck, verdict.reason, place);
    if (!verdict.good()) return;
    const std::string wrong = CheckEnd(scenario_, world);
    Fail(tally_.operator_needed, wrong.empty() ? 0 : 1, wrong, place);
  }

  // A run that is cut: what it took in all, how many cuts led to it, and its seed. A seed comes from the place alone,
  // so that a place found once is found again, whatever else is cut.
  struct Cutting {
    uint64_t served_bytes;
    unsigned depth;
    uint64_t seed;
    std::string before;
    uint64_t SeedAt(size_t operation, Tear tear) const {
      return Random(seed * 1'000'003 + operation * 4 + static_cast<uint64_t>(tear)).Next();
    }
  };

  bool Mine(size_t operation) const {
    if (options_.only_at != UINT64_MAX) return operation == options_.only_at && options_.shard == 0;
    return operation / options_.stride % options_.shards == options_.shard && operation % options_.stride == 0;
  }

  // `start` is where `trace` began.
  void CutEverywhere(const World& start, const Trace& trace, const Cutting& run) {
    World rolling = start;
    const auto& operations = trace.operations();
    for (size_t i = 0; i < operations.size(); i++) {
      const bool mine = run.depth > 1 || Mine(i);
      const bool one = run.depth > 1 && options_.nested_tears_by_turns;
      for (size_t t = one ? (i + run.seed) % 4 : 0; mine && t < kTears.size(); t += one ? 4 : 1) {
        World world = rolling;
        trace.RestoreAt(i, world);
        CutOnce(world, trace, i, kTears[t], run);
        if (!tally_.good()) return;  // the first place is what one wants to see
      }
      rolling.chip.Apply(operations[i]);
    }
  }

  void CutOnce(World& world, const Trace& cut, size_t operation, Tear tear, const Cutting& run) {
    const std::string place = run.before + PlaceOf(cut, operation, tear);
    const uint64_t served_bytes = run.served_bytes;
    const unsigned depth = run.depth;
    const uint64_t seed = run.SeedAt(operation, tear);
    RememberFloor(scenario_.site, world);
    world.chip.Seed(seed);
    world.chip.ApplyTorn(cut.operations()[operation], tear);
    uint64_t& counter = depth == 1 ? tally_.cuts : tally_.nested;
    counter++;
    const bool deeper = depth < options_.depth;
    const bool once_more = depth == 1 && options_.random_nested_every > 0 && seed % options_.random_nested_every == 0;
    const World start = world;
    Trace trace(world, HeadPath(options_.data_dir));
    const Verdict verdict =
        Drive(scenario_.site, options_.data_dir, world, {.trace = deeper || once_more ? &trace : nullptr});
    Judge(verdict, world, place);
    const uint64_t served = world.server.served_bytes;
    const uint64_t again = served > served_bytes ? served - served_bytes : 0;
    tally_.redownloaded_bytes = std::max(tally_.redownloaded_bytes, again);
    Fail(tally_.redownload_limit_passed, again > RedownloadLimit(scenario_) ? 1 : 0,
         std::to_string(again) + " bytes came again", place);
    if (!tally_.good()) return;
    if (deeper) CutEverywhere(start, trace, {served, depth + 1, seed, place + ", then "});
    if (once_more) CutAtRandom(start, trace, {served, 2, seed, place + ", then "});
  }

  void CutAtRandom(const World& start, const Trace& trace, const Cutting& run) {
    if (trace.operations().empty()) return;
    Random random(run.seed);
    const size_t at = random.Below(trace.operations().size());
    World world = start;
    for (size_t i = 0; i < at; i++) world.chip.Apply(trace.operations()[i]);
    trace.RestoreAt(at, world);
    CutOnce(world, trace, at, kTears[random.Below(kTears.size())], run);
  }

  const Scenario& scenario_;
  const ExploreOptions& options_;
  Tally tally_;
};

}  // namespace

void Tally::Add(const Tally& other) {
  ops = std::max(ops, other.ops);
  cuts += other.cuts;
  nested += other.nested;
  boots += other.boots;
  not_bootable += other.not_bootable;
  unverified_boots += other.unverified_boots;
  floor_ahead += other.floor_ahead;
  operator_needed += other.operator_needed;
  redownloaded_bytes = std::max(redownloaded_bytes, other.redownloaded_bytes);
  redownload_limit_passed += other.redownload_limit_passed;
  slot_wear = std::max(slot_wear, other.slot_wear);
  boot_wear = std::max(boot_wear, other.boot_wear);
  journal_wear = std::max(journal_wear, other.journal_wear);
  if (reason.empty()) reason = other.reason;
}

uint64_t RedownloadLimit(const Scenario& scenario) {
  uint64_t list_bytes = 0;
  for (const SignedPayload& offer : scenario.site.offers) {
    list_bytes = std::max(list_bytes, offer.plan.chunk_list_bytes);
  }
  // Chunks are checkpointed by what was written, not by frames: a chunk and a segment more.
  const uint64_t more = scenario.kind == "chunks" ? kChunkBytes : 0;
  return scenario.site.geometry.frame_bytes + kChunkBytes + more + list_bytes;
}

Tally Explore(const Scenario& scenario, const ExploreOptions& options) { return Explorer(scenario, options).Run(); }

}  // namespace till::power
