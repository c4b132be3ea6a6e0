// A fault as a log line: its code, what it is about, why, and what to do. One line, so that a log stays a log.
#pragma once

#include <string_view>

#include "core/fault.h"

namespace till::edge {

void Complain(const Fault& fault, std::string_view context, const Error* error);

}  // namespace till::edge
