// What a failed exchange with the update server means to a person, and to whoever started `tilld run --once`.
#pragma once

#include "device/refusal.h"

namespace till::device {

// The fault for an Error of UpdateServer: away, a certificate that does not verify, a server that refuses this
// terminal, an answer that cannot be used.
Refusal ContactRefusal(const Error& error);

// The exit status of a cycle that this kept from its end: 3 when something does not verify, 1 when somebody must mend
// it, 75 when a later try may do.
int ExitStatusOf(const Fault& fault);

}  // namespace till::device
