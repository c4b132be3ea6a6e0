// Is a time zone one that the C library knows? It takes any text for UTC, without a word: a window would open at the
// wrong hour.
#pragma once

#include <string_view>

#include "core/result.h"

namespace till::device {

// `zone` as TZ: a name in the system's zone files ("Europe/Berlin"), or POSIX's rule ("CET-1CEST,M3.5.0,M10.5.0/3").
// Reads the file system. kInvalid for anything else.
Status CheckZone(std::string_view zone);

}  // namespace till::device
