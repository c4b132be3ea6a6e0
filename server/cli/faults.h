// The faults of tillctl. One per line: tools/make_error_pages.py reads this table.
#pragma once

#include "core/fault.h"

namespace till::cli {

inline constexpr Fault kNoContext{"T5001", "no hub is chosen",
                                  "name one with: tillctl context add NAME --url URL --token-file FILE"};
inline constexpr Fault kHubUnreachable{
    "T5002", "the hub cannot be reached",
    "check the URL, the network and the hub's certificate (tillctl context add --ca): tillctl doctor"};
inline constexpr Fault kHubRefused{"T5003", "the hub did not do it",
                                   "the cause stands above; tillctl doctor checks address, certificate and token"};
inline constexpr Fault kNoSuchRelease{"T5004", "there is no such release on the hub",
                                      "tillctl release ls shows what there is; tillpack publish sends one"};
inline constexpr Fault kBadContextFile{"T5005", "the context file cannot be used",
                                       "mend or remove it; it is JSON with a list of contexts"};
inline constexpr Fault kBadWaves{"T5006", "the waves cannot be understood",
                                 "give growing percentages that end at 100, as in --waves 5,25,100"};
inline constexpr Fault kNotFound{"T5007", "there is nothing by that name",
                                 "the ls command of the same noun shows the names"};
inline constexpr Fault kDemoSetup{"T5008", "the demo cannot be set up",
                                  "run ./dev demo, which installs and builds what it needs, and read the cause above"};
inline constexpr Fault kTokenUnreadable{
    "T5010", "the token file cannot be read",
    "copy admin.token from the hub's data folder, or name the file that holds your token"};
inline constexpr Fault kCaUnreadable{"T5012", "the CA certificate cannot be read",
                                     "name a PEM file with --ca: the hub's certificate, or that of who signed it"};
inline constexpr Fault kBadUrl{"T5011", "this is no address of a server",
                               "write it as https://host or http://host:port, one per edge"};
inline constexpr Fault kHubNotTrusted{
    "T5013", "the hub's certificate does not verify",
    "give the certificate of who signed it with tillctl context add --ca, and the name it was made for with --url"};
inline constexpr Fault kHubFull{"T5014", "the hub has no room",
                                "make room on the hub's disk (df on its --data folder), then run the command again"};
inline constexpr Fault kUsage{"T5015", "the command line cannot be understood", "see tillctl COMMAND --help"};
inline constexpr Fault kDemoStory{"T5009", "the demo did not go as it must",
                                  "keep its folder with --keep and read the logs in it"};

}  // namespace till::cli
