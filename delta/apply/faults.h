// The faults of applying a payload by hand: till-apply and `tillpack apply` say the same.
#pragma once

#include "core/fault.h"

namespace till::delta {

inline constexpr Fault kApplyUsage{"T1020", "the command line is not complete", "see till-apply --help"};
inline constexpr Fault kWrongBase{"T1021", "the payload does not fit this base",
                                  "give the image it was made from: tillpack info FILE shows its hash"};
inline constexpr Fault kBadPayload{"T1022", "the payload is damaged",
                                   "fetch or make it again: it is truncated, extended or changed"};
inline constexpr Fault kPayloadTooNew{"T1023", "the payload needs a newer applier",
                                      "update this program, or make the payload for an older format"};
inline constexpr Fault kMemoryCeiling{"T1024", "the payload needs more memory than allowed",
                                      "raise --max-memory, or make the payload for a smaller arena"};
inline constexpr Fault kApplyFailed{"T1025", "the image could not be written",
                                    "mend the cause named here; a file that was there before is unchanged"};

inline constexpr Fault kApplyUnreadable{"T1026", "a file cannot be read", "give the path of an existing file"};

}  // namespace till::delta
