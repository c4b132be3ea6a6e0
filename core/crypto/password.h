// Passwords, kept as scrypt (RFC 7914) in a PHC string: "$scrypt$ln=15,r=8,p=1$<salt>$<hash>" (base64 without padding).
//   One run takes 32 MiB and some 50 to 100 ms: callers bound how many go on at a time. For secrets of 128 random bits
//   and more a plain SHA-256 is enough; this is for what people choose.
#pragma once

#include <string>
#include <string_view>

#include "core/result.h"

namespace till::crypto {

// kLimit when memory is short. The salt is 16 random bytes.
Result<std::string> ScryptHash(std::string_view password);
// kRefused when it is another password, kCorrupt when `phc` is no scrypt string within ln <= 17, r <= 16, p <= 4.
Status ScryptVerify(std::string_view password, std::string_view phc);

// Base64 (RFC 4648, section 4). Encoding pads when asked; decoding takes both forms and refuses anything else.
std::string ToBase64(std::string_view bytes, bool pad);
Result<std::string> FromBase64(std::string_view text);

}  // namespace till::crypto
