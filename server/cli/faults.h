// The faults of tillctl. One per line: tools/make_error_pages.py reads this table.
#pragma once

#include "core/fault.h"

namespace till::cli {

inline constexpr Fault kNoContext{"T5001", "no hub is chosen",
                                  "name one with: tillctl context add NAME --url URL --token-file FILE"};
inline constexpr Fault kNoSuchContext{"T5016", "there is no context by that name",
                                      "tillctl context ls shows the names; tillctl context add makes one"};
inline constexpr Fault kTakenAlready{"T5017", "the hub has something by that name already",
                                     "choose another name; the ls command of the same noun shows what there is"};
inline constexpr Fault kTokenRefused{
    "T5018", "the hub does not allow this with the token",
    "give a valid operator's token: tillctl context add NAME --url URL --token-file FILE, or TILL_TOKEN"};
inline constexpr Fault kHubSpeaksTls{"T5019", "the hub speaks https, and its URL says http",
                                     "write https:// in the context's URL (tillctl context add, TILL_URL), and --ca "
                                     "when no public CA signed its certificate"};
inline constexpr Fault kBadName{"T5020", "no URL can carry this name",
                                "leave out control characters, backslashes, \".\" and \"..\" and their %-escapes"};
inline constexpr Fault kRolloutFailed{"T5021", "the rollout ended without every terminal confirmed",
                                      "tillctl device get NAME shows what a terminal said"};
inline constexpr Fault kRolloutPaused{
    "T5022", "the rollout paused",
    "look at the terminals named above, then tillctl rollout resume NAME or tillctl rollout stop NAME"};
inline constexpr Fault kRolloutState{"T5023", "the rollout is not in a state for this",
                                     "tillctl rollout ls shows its state"};
inline constexpr Fault kNothingPublished{"T5024", "no release was published yet",
                                         "tillpack publish out/VERSION --server URL sends one"};
inline constexpr Fault kMetadataExpired{"T5025", "the signed metadata has expired",
                                        "run tillpack renew, then tillpack publish, and do both daily"};
inline constexpr Fault kEdgeDown{"T5026", "an edge does not answer",
                                 "start tilledge there, or check its address: tillctl edge set names the edges"};
inline constexpr Fault kEdgeAlone{"T5027", "an edge serves only what it has",
                                  "look at its log: the hub is not reached from there, or refuses its token"};
inline constexpr Fault kHubUnreachable{
    "T5002", "the hub cannot be reached",
    "check the URL, the network and the hub's certificate (tillctl context add --ca): tillctl doctor"};
inline constexpr Fault kHubRefused{"T5003", "the hub did not do it",
                                   "the hub's own words stand above: mend the value or the state that they name"};
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
