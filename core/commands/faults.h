// Faults that every program of a host can meet. One per line: tools/make_error_pages.py reads this table.
#pragma once

#include "core/fault.h"

namespace till::commands {

inline constexpr Fault kResultLost{
    "T0020", "the result could not be written to stdout",
    "make room where stdout leads to, or read it to its end; what was asked for may be done"};

}  // namespace till::commands
