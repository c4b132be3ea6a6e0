// Faults of talking HTTP that programs share. One per line: tools/make_error_pages.py reads this table.
#pragma once

#include "core/fault.h"

namespace till::http {

inline constexpr Fault kServerNotTrusted{
    "T0021", "the server's certificate does not verify",
    "give the certificate of who signed it (--origin-ca, --ca), and the name it was made for; is this clock right?"};

}  // namespace till::http
