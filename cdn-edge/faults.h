// What can go wrong with tilledge, as a person meets it (docs/errors/ is made from this table).
#pragma once

#include "core/fault.h"

namespace till::edge {

// clang-format off
inline constexpr Fault kPortInUse{"T4001", "the address to listen on is taken or not ours", "choose another with --listen ADDRESS:PORT, or stop the program that holds it"};
inline constexpr Fault kFolderLocked{"T4002", "another tilledge works in this data folder", "give each edge its own --data; a running edge scrubs by itself and shows its counters at /status"};
inline constexpr Fault kFolderUnusable{"T4003", "the data folder cannot be used", "check that it exists, is writable by this user and lies on a file system with free space"};
inline constexpr Fault kIndexDamaged{"T4004", "the index of the store is damaged or not ours", "remove the folder's index/ and objects/: the edge fetches again what it needs, nothing is lost"};
inline constexpr Fault kOriginUnreachable{"T4005", "the origin does not answer; serving what is stored", "check --origin, --origin-ca, the network and the origin; the edge tries again by itself"};
inline constexpr Fault kTokenRefused{"T4006", "the origin refuses this edge's token", "put a valid token into the file of --origin-token-file and restart the edge"};
inline constexpr Fault kDiskFull{"T4007", "the disk is full; passing through without storing", "free space, or lower --max-bytes so that the edge evicts before the disk is full"};
inline constexpr Fault kBadOption{"T4008", "an option has a value that cannot be used", "see tilledge serve --help"};
inline constexpr Fault kMetadataRefused{"T4009", "signed metadata from the origin is refused; the last verified set stays in use", "check the origin's repository and clock; if its root of trust was replaced, give the new one with --trusted-root and an empty tuf/ in the data folder"};
inline constexpr Fault kWrongBytes{"T4010", "the origin sent bytes that do not match their signed hash; they were thrown away", "check the origin's storage and what stands between it and this edge"};
inline constexpr Fault kStoredBytesBad{"T4011", "stored bytes no longer match their hash; dropped, to be fetched again", "if it happens again, check this machine's disk and memory"};
inline constexpr Fault kTlsFiles{"T4012", "the certificate or key cannot be used", "give a PEM chain with --tls-cert and its key with --tls-key, readable by this user"};
inline constexpr Fault kAccessLog{"T4013", "the access log cannot be written", "check the folder and the rights of the file of --access-log"};
inline constexpr Fault kUsage{"T4014", "the command line cannot be understood", "see tilledge COMMAND --help"};
inline constexpr Fault kNoRoom{"T4015", "the disk is full", "make room on the disk that the named folder lies on (df), then start the edge again"};
inline constexpr Fault kCapFull{"T4016", "the store is full to its --max-bytes and nothing can be evicted; passing through without storing", "raise --max-bytes above the largest object and what is fetched at once; the disk itself is not full"};
inline constexpr Fault kOriginNotTrusted{"T4017", "the origin's certificate does not verify; serving what is stored", "give the CA that signed it with --origin-ca, and see that the origin's name and this machine's clock are right"};
inline constexpr Fault kNotNow{"T4018", "a stored object cannot be opened now; its clients are told to try again", "check the limit of open files (ulimit -n), free memory and the disk; nothing is forgotten"};
inline constexpr Fault kFileChanged{"T4019", "somebody else changed, replaced or removed a stored object's file; it is checked again", "keep other programs out of the data folder; wrong bytes are never served"};
// clang-format on

}  // namespace till::edge
