// Decides what happens to each part of the target: copied as coded bytes, made again from the opened base, or sent raw.
//   Bytes and terminal time are weighed by the profile's rate; blocks are made again only when their encoder is known
//   to give their bytes (proven here for each of them).
#pragma once

#include "delta/diff/diff.h"
#include "delta/diff/op_list.h"
#include "delta/diff/plan.h"
#include "delta/diff/profile.h"

namespace till::delta {

struct PlanInput {
  ExpandedImage* base = nullptr;
  ExpandedImage* target = nullptr;
  const DiffOptions* options = nullptr;  // with a profile
};

// kCanceled, kLimit.
Result<Plan> MakePlan(const PlanInput& input);

}  // namespace till::delta
