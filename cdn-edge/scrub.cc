#include "cdn-edge/scrub.h"

#include <algorithm>

#include "cdn-edge/complain.h"
#include "cdn-edge/faults.h"
#include "cdn-edge/filler.h"
#include "core/log.h"

namespace till::edge {
namespace {

class Pace {
 public:
  Pace(Clock& clock, const ScrubOptions& options) : clock_(clock), options_(options), begin_ms_(clock.MonotonicMs()) {}
  bool stopped() const { return options_.stop != nullptr && *options_.stop; }
  // Waits until `bytes` in all are lawful.
  void Keep(uint64_t bytes) {
    while (options_.bytes_per_s != 0 && !stopped()) {
      const int64_t due_ms = begin_ms_ + static_cast<int64_t>(bytes * 1000 / options_.bytes_per_s);
      const int64_t wait_ms = due_ms - clock_.MonotonicMs();
      if (wait_ms <= 0) return;
      clock_.SleepMs(std::min<int64_t>(wait_ms, 100));
    }
  }

 private:
  Clock& clock_;
  const ScrubOptions& options_;
  int64_t begin_ms_;
};

void ScrubSigned(Catalog& catalog, CacheObject& object, Pace& pace, ScrubReport& report) {
  const uint32_t count = object.unit_count();
  Bytes bytes;
  for (uint32_t unit = 0; unit < count && !pace.stopped(); ++unit) {
    if (!object.OnDisk(unit)) continue;
    const Span span = object.UnitSpan(unit);
    report.bytes += span.length;
    if (ReadIntact(object, span, bytes)) {
      object.Confirm(unit);
    } else if (const auto dropped = object.Drop(unit); dropped != CacheObject::Dropped::kNothing) {
      catalog.Unreserve(object, span.length);
      if (dropped == CacheObject::Dropped::kPromised) {
        ++report.units_dropped;
        Complain(kStoredBytesBad, ToHex(object.identity().name), nullptr);
      }
    }
    pace.Keep(report.bytes);
  }
}

void ScrubPlain(Catalog& catalog, CacheObject& object, Pace& pace, ScrubReport& report) {
  if (!object.complete()) return;  // still in the spool: its hash is yet to be known
  crypto::Sha256 hash;
  Bytes bytes(CacheObject::kPlainUnitBytes);
  uint64_t offset = 0;
  while (offset < object.identity().size && !pace.stopped()) {
    const auto got = ReadSomeAt(object.fd(), offset, bytes);
    if (!got.ok() || *got == 0) break;
    hash.Update(ByteView(bytes).first(*got));
    offset += *got;
    report.bytes += *got;
    pace.Keep(report.bytes);
  }
  if (pace.stopped()) return;
  if (offset == object.identity().size && hash.Finish() == object.identity().name) return;
  report.units_dropped += object.unit_count();
  Complain(kStoredBytesBad, ToHex(object.identity().name), nullptr);
  catalog.Forget(object.identity().name);
  object.Fail(Trouble::kRotten);
}

void ScrubOne(Catalog& catalog, Counters& counters, const crypto::Sha256Digest& name, Pace& pace, ScrubReport& report) {
  const auto object = catalog.Find(name, Catalog::Use::kUpkeep);
  if (!object.ok()) return;  // evicted or forgotten meanwhile
  ++report.objects;
  const uint64_t dropped_before = report.units_dropped;
  if ((*object)->identity().plain()) {
    ScrubPlain(catalog, **object, pace, report);
  } else {
    ScrubSigned(catalog, **object, pace, report);
  }
  counters.chunks_found_bad += report.units_dropped - dropped_before;
  if (report.units_dropped == dropped_before) return;
  if (const Status persisted = catalog.Persist(**object); !persisted.ok()) {
    log::Warn("cannot write the index", {{"error", persisted.error()}});
  }
}

}  // namespace

ScrubReport Scrub(Catalog& catalog, Counters& counters, Clock& clock, const ScrubOptions& options) {
  ScrubReport report;
  Pace pace(clock, options);
  for (const IndexRecord& record : catalog.Records()) {
    if (pace.stopped()) return report;
    ScrubOne(catalog, counters, record.identity.name, pace, report);
  }
  report.complete = !pace.stopped();
  return report;
}

ScrubReport ScrubObject(Catalog& catalog, Counters& counters, Clock& clock, const crypto::Sha256Digest& name,
                        const ScrubOptions& options) {
  ScrubReport report;
  Pace pace(clock, options);
  ScrubOne(catalog, counters, name, pace, report);
  report.complete = !pace.stopped();
  return report;
}

}  // namespace till::edge
