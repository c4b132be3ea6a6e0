// What tillhub tells people when something fails: one code each, docs/errors/ has a page for it.
#pragma once

#include "core/fault.h"

// clang-format off: a tool reads one fault per line
namespace till::server::faults {

inline constexpr Fault kBadAddress{"T3001", "cannot listen on this address",
                                   "give --listen ADDRESS:PORT, an IPv4 or [IPv6] address of this machine"};
inline constexpr Fault kPortInUse{"T3002", "the port is in use",
                                  "stop the program that holds it (ss -ltnp), or give another --listen"};
inline constexpr Fault kBadDataFolder{"T3003", "the data folder cannot be used",
                                      "give --data a folder that this user may write to, on a disk with room"};
inline constexpr Fault kStoreDamaged{"T3004", "the store is damaged or foreign",
                                     "restore the data folder from a backup; nothing was changed"};
inline constexpr Fault kAlreadyRunning{"T3005", "another tillhub uses this data folder",
                                       "stop it first, or give another --data"};
inline constexpr Fault kBadTls{"T3006", "the certificate or its key cannot be used",
                               "give --tls-cert and --tls-key PEM files that belong together"};
inline constexpr Fault kBadFlag{"T3007", "a flag has an unusable value", "see tillhub serve --help"};
inline constexpr Fault kBadBootstrap{"T3008", "TILL_BOOTSTRAP_ADMIN cannot be used",
                                     "set it to user:password, the password of at least 8 characters"};
inline constexpr Fault kBadTrustedRoot{"T3009", "the trusted root cannot be used",
                                       "give --trusted-root the root.json of your tillpack keys"};
inline constexpr Fault kStoreFailed{"T3010", "the store failed", "look at the log; is the disk full? (df)"};
inline constexpr Fault kUnauthorized{
    "T3011", "not signed in",
    "send Authorization: Bearer <token> (first token: DATA/admin.token), or Basic user:password"};
inline constexpr Fault kBadBlob{"T3012", "the upload is not what its name says",
                                "send the bytes whose SHA-256 stands in the URL"};
inline constexpr Fault kBadMetadata{"T3013", "the metadata is not trusted",
                                    "publish a release signed by this hub's keys: tillpack verify shows what is wrong"};
inline constexpr Fault kBadAccessLog{"T3014", "the access log cannot be written",
                                     "give --access-log a file that this user may write to"};
inline constexpr Fault kNoManagement{"T3015", "the management plane does not start",
                                     "is a port free on 127.0.0.1, and is libcivetweb1 1.15 installed?"};
inline constexpr Fault kBadEdgeToken{"T3016", "the edges' token cannot be used",
                                     "give --edge-token-file a readable file with one line, or leave the flag away"};
inline constexpr Fault kBadDeltaJob{"T3017", "this delta cannot be taken on",
                                    "ask GET /api/v1/deltas/missing what is missing, and take the next"};

inline constexpr Fault kUsage{"T3018", "the command line cannot be understood", "see tillhub serve --help"};

inline constexpr Fault kDiskFull{"T3019", "the disk is full",
                                 "make room on the disk that the named folder lies on (df), then start the hub again"};

inline constexpr Fault kTooManySignIns{
    "T3020", "too many sign-ins", "wait as long as Retry-After says; programs sign in with a token, not a password"};
inline constexpr Fault kForeignOrigin{"T3021", "another site's page sent this",
                                      "open the hub by its own address, or set --base-url to the one in the browser"};
inline constexpr Fault kNoSuchCredential{"T3022", "no operator or token of that name",
                                         "see tillhub operator ls and tillhub token ls"};
inline constexpr Fault kCredentialExists{
    "T3023", "there is an operator or token of that name already",
    "take another name, or remove the old one first: tillhub operator rm, tillhub token rm"};
inline constexpr Fault kBadCredential{
    "T3024", "the name or the password cannot be used",
    "a name has 1 to 64 characters without blank, colon and slash, a password at least 8"};

}  // namespace till::server::faults
// clang-format on
