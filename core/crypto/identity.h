// A device's identity: an ECDSA P-256 key pair made where it will live, and the request for its certificate.
//   Errors: kInvalid for a key that is no P-256 key or a name that does not fit (128 bytes).
#pragma once

#include <string>
#include <string_view>

#include "core/result.h"

namespace till::crypto {

// PKCS#8, PEM. Whoever stores it gives the file mode 0600.
std::string MakeP256KeyPem();

// PKCS#10, PEM: CN = `common_name`, subjectAltName = URI:`uri`, extendedKeyUsage = clientAuth, signed with the key.
Result<std::string> MakeCertificateRequest(std::string_view key_pem, const std::string& common_name,
                                           const std::string& uri);

}  // namespace till::crypto
