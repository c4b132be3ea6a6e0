// May these bytes run here? The signed metadata of the hub, kept in data_dir/tuf, and the order of checks of trust.md:
// size cap, signatures, role, version, expiry (core/tuf); then hardware id, slot class, version order, rollback floor,
// format, memory, base hash (here). The server only selects; nothing it says is believed without an entry.
//   Errors: of Refresh(), as core/tuf; expiry is told apart, because a terminal whose hub was late is stale, not
//   refused.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/clock.h"
#include "core/tuf/tuf.h"
#include "device/agent_state.h"
#include "device/ddi.h"
#include "device/refusal.h"

namespace till::device {

// The artifact of a module that holds the signed metadata as a tar, for servers that serve none.
inline constexpr char kMetadataArtifact[] = "release.tuf";

// What the terminal is and grants.
struct TerminalFacts {
  std::string board, product, component;
  uint64_t arena_bytes = 0;
  uint32_t floor = 0;
  SlotImage running;           // not known: no delta, and no version order
  bool full_fallback = false;  // a full payload, or chunks that are most of the image, may stand in for a
                               // delta that does not fit or failed
  std::vector<crypto::Sha256Digest> refused;  // payloads given up in this action
};

// An offer that may be installed, and where in the deployment it stands.
struct AcceptedOffer {
  Plan plan;
  size_t chunk = 0;
  size_t artifact = 0;
  bool runs_already = false;
};

// Who says whether an offer may be installed: Trust below, or the power-cut proof's own.
class OfferJudge {
 public:
  virtual ~OfferJudge() = default;
  virtual Status Refresh(const tuf::Fetch& fetch) = 0;
  // The wall clock cannot be right: it is behind what signed metadata proves, or far ahead of it. Freshness cannot be
  // known then, nor the hour.
  virtual bool ClockIsWrong() const = 0;
  // The time as well as it is known (with a wrong clock: what it is at least); 0: not at all.
  virtual int64_t NowUnixS() const { return 0; }
  // The refusal, or nothing and `out`: of the artifacts that may be installed the one of which the least will
  // travel, chunks only where no delta fits. A full payload beside deltas or chunks, or after a refused one, only when
  // facts.full_fallback says so: a failed delta must not become a bill.
  virtual std::optional<Refusal> Check(const Deployment& deployment, const TerminalFacts& facts,
                                       AcceptedOffer& out) const = 0;
};

class Trust final : public OfferJudge {
 public:
  // By what time expiry is judged. From a medium nothing proves how late it is: only what signed metadata said last.
  enum class Expiry : uint8_t { kByClock, kBySignedTime };
  static Result<std::unique_ptr<Trust>> Open(const std::string& folder, std::string_view trusted_root, Clock& clock,
                                             Expiry expiry = Expiry::kByClock);

  Status Refresh(const tuf::Fetch& fetch) override;
  static bool IsExpiry(const Error& error);
  bool ClockIsWrong() const override;
  int64_t NowUnixS() const override;

  std::optional<Refusal> Check(const Deployment& deployment, const TerminalFacts& facts,
                               AcceptedOffer& out) const override;
  // ClockIsWrong() without metadata, for `tilld doctor`.
  static bool IsTooEarly(int64_t unix_s);
  // NowUnixS() of a clock, given the newest time that signed metadata proves (0: none).
  static int64_t TimeOf(int64_t wall_unix_s, int64_t signed_unix_s);
  // The image entry with this hash, for `tilld adopt`.
  const tuf::TargetEntry* FindImage(const crypto::Sha256Digest& digest) const;
  // Whether any signed image is for this board, product and component, for `tilld doctor`: the refusal names what there
  // is instead. Without a single image there is nothing to compare, and nothing is refused.
  std::optional<Refusal> CheckIdentity(const TerminalFacts& facts) const;

 private:
  explicit Trust(Clock& clock) : clock_(clock) {}
  std::optional<Refusal> CheckArtifact(const DdiArtifact& artifact, const DdiChunk& chunk, const TerminalFacts& facts,
                                       Plan& plan, bool& same) const;
  int64_t ProvenUnixS() const;

  Clock& clock_;
  std::unique_ptr<tuf::Client> client_;
};

}  // namespace till::device
