// What the applier of a payload will hold, judged before its frames exist: which encoders it may carry, how long the
// blocks may be that it opens and makes, and how many opened ones it can keep.
//   Counts what the format counts (delta/format/arena.h), for frames of full length with a residual model and the
//   smallest windows; what comes out is never more, once the windows are chosen to fit.
#pragma once

#include "delta/diff/profile.h"

namespace till::delta {

class ArenaBudget {
 public:
  explicit ArenaBudget(const Profile& profile);

  // Both answer whether all that was added fits the profile with one opened block kept; what does not is not added.
  bool AddEncoder(const Recode& recode, uint64_t longest_plain_bytes);
  bool AddOpener(const Recode& recode, uint64_t longest_plain_bytes);
  // As many as the profile wants, fewer when only those keep the arena under the profile's ceiling for such a payload;
  // at least one.
  unsigned cache_blocks() const;

 private:
  bool Take(const PayloadHeader& header);

  const Profile& profile_;
  PayloadHeader header_;
};

}  // namespace till::delta
