// The faults of tillpack. One per line: tools/make_error_pages.py reads this table.
#pragma once

#include "core/fault.h"

namespace till::packer {

inline constexpr Fault kBadConfig{"T1001", "the release configuration cannot be used",
                                  "mend what is named above; docs/packing.md shows a whole file"};
inline constexpr Fault kBadArgument{"T1002", "an argument cannot be used",
                                    "tillpack COMMAND --help shows what it takes"};
inline constexpr Fault kKeysUnusable{
    "T1003", "the signing keys cannot be used",
    "put the named key where it is looked for, with mode 0600; tillpack keys init makes a first set, once"};
inline constexpr Fault kReleaseFailed{"T1004", "the release was not made; nothing was changed",
                                      "mend the cause and run the same command again"};
inline constexpr Fault kReleaseExists{"T1005", "this version exists already, or was withdrawn",
                                      "a version is made once: choose a new one"};
inline constexpr Fault kVerifyFailed{"T1006", "the release does not verify",
                                     "do not publish it: make it again from clean inputs and look for who changed it"};
inline constexpr Fault kPublishFailed{
    "T1007", "the release was not published",
    "the cause stands above (--server: the hub's URL, --ca: its certificate, when no public CA signed it); "
    "run the same command again: it goes on where it stopped"};
inline constexpr Fault kPublishConflict{"T1008", "the hub holds something else under this version",
                                        "a version is published once: choose a new one"};
inline constexpr Fault kNoRelease{"T1009", "there is no release here",
                                  "give the folder that tillpack release made, as in out/1.5.0"};
inline constexpr Fault kInputUnreadable{"T1010", "a file cannot be read", "give the path of an existing file"};
inline constexpr Fault kPayloadNotMade{"T1011", "the payload was not made",
                                       "mend the cause and run the same command again"};
inline constexpr Fault kNotAPayload{"T1012", "this is no payload, or a damaged one",
                                    "give a file that tillpack delta, full or release made"};

inline constexpr Fault kTokenRefused{"T1013", "the hub does not accept the token",
                                     "give an operator's token of this hub: --token-file FILE, or TILL_TOKEN"};
inline constexpr Fault kHubFailed{"T1014", "the hub could not be asked",
                                  "its answer stands above; is --server the hub's URL, and --ca its certificate?"};
inline constexpr Fault kUsage{"T1015", "the command line cannot be understood",
                              "tillpack COMMAND --help shows what it takes"};
inline constexpr Fault kCheckFailed{"T1016", "the payload does not prove itself",
                                    "do not use it: give the base it was made from, or make it again"};

inline constexpr Fault kFactoryFailed{"T1017", "the factory image was not written",
                                      "give the slot's real size, or make the image smaller"};
inline constexpr Fault kOverBudget{"T1018", "the change costs more than its budget",
                                   "tillpack explain shows which files cost what; or raise --max knowingly"};
inline constexpr Fault kOutputUnwritable{"T1030", "a file cannot be written", "the cause stands above"};
inline constexpr Fault kKernelUnusable{"T1031", "the kernel cannot be packed",
                                       "give a uImage with an LZMA or stored kernel, or a plain one with --load"};

inline constexpr Fault kHubNotTrusted{
    "T1032", "the hub's certificate does not verify",
    "give the certificate of who signed it with --ca, and the name it was made for with the URL; is this clock right?"};
inline constexpr Fault kHubFull{
    "T1033", "the hub has no room",
    "make room on the hub's disk (df on its --data folder), then run the same command again"};
// Somebody else's keys signed it, or bytes changed on the way or on the hub's disk. Nothing was published over it.
inline constexpr Fault kHubUnverified{
    "T1034", "what the hub holds does not verify",
    "find out who published there; does this machine hold the root that the terminals hold (out/tuf/1.root.json)?"};

inline constexpr Fault kHubSpeaksTls{"T1060", "the hub speaks https, and its URL says http",
                                     "write https:// in --server, --hub or [server] url, and --ca when no public CA "
                                     "signed its certificate"};
inline constexpr Fault kNoDeltaKept{
    "T1061", "no delta was worth keeping; the release is made without",
    "the table says why; publish it all the same, or begin again without --require-delta"};
inline constexpr Fault kWithdrawFailed{"T1062", "the release was not withdrawn", "the cause stands above"};

inline constexpr Fault kNotAllApplied{"T1063", "not every payload could be applied",
                                      "put the base images that are named above back into the folder of releases, or "
                                      "verify without --apply-all"};

inline constexpr Fault kWorkerFailed{"T1019", "the missing delta was not made",
                                     "mend the cause: the hub gives the job again when its lease ends"};

// A warning, not a failure: the release is made. Two builds of the same source must give the same bytes, or every
// terminal pays for the difference at every release. tillpack names each file and its mend: build ids, dates in files
// and in gzip headers, the times of files in the file system (SOURCE_DATE_EPOCH, https://reproducible-builds.org).
inline constexpr Fault kIrreproducible{"T1042", "the build is not reproducible, and the delta pays for it",
                                       "mend the build as the note says; tillpack explain shows what it costs"};

inline constexpr Fault kBadPatch{"T1043", "the bsdiff patch is damaged",
                                 "fetch or make it again: it is truncated, or changed"};
inline constexpr Fault kPatchCeiling{"T1044", "the bsdiff patch needs more than allowed",
                                     "raise --max-memory to 8MiB or more; images of more than 2 GiB are not taken"};

}  // namespace till::packer
