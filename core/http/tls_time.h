// Certificates by a terminal whose clock is known to be wrong. Given the earliest time it can be, a chain is refused
// when a certificate of it has expired by then; one that is not valid yet may be so by now, and passes. Everything else
// (signatures, names, authority) is checked as ever.
#pragma once

#include <cstdint>

namespace till::http {

// `ssl_context` is a client's SSL_CTX; `earliest_unix_s` must outlive its handshakes.
void JudgeCertificatesBy(void* ssl_context, int64_t* earliest_unix_s);

}  // namespace till::http
