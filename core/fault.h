// A fault as a person meets it: a stable code, what happened, and what to do. Each program keeps its faults in one
// table, `faults.h` in its folder, from which tools/make_error_pages.py writes docs/errors/.
//   Codes: T0xxx core, T1xxx tillpack, T2xxx tilld, T3xxx tillhub, T4xxx tilledge, T5xxx tillctl, T6xxx boot.
//   Faults are for people and monitoring; code decides by ErrorCode, never by these.
#pragma once

#include <string>
#include <string_view>

#include "core/result.h"

namespace till {

struct Fault {
  const char* code;  // "T1004"
  const char* what;  // "the payload does not fit this base"
  const char* mend;  // "give the image it was made from: tillpack info F shows its hash"
};

// "error T1004: the payload does not fit this base: old.squashfs: hash differs (refused)\n  do: give ...\n  see ..."
// `context` names the thing (file, URL, field); `error` may be null.
std::string FormatFault(const Fault& fault, std::string_view context, const Error* error);
// The same as one JSON object: {"error":{"code","what","context","cause","mend"}}.
std::string FormatFaultJson(const Fault& fault, std::string_view context, const Error* error);

}  // namespace till
