// What tilld can meet, as a person sees it and as feedback reports it. One per line: a tool reads this table.
#pragma once

#include "core/fault.h"

namespace till::device {

// clang-format off
inline constexpr Fault kUsage{"T2001", "the command line is not understood", "see tilld --help, and tilld COMMAND --help"};
inline constexpr Fault kBadConfigLine{"T2002", "a configuration line is not understood", "write 'key = value'; tilld config show lists the keys"};
inline constexpr Fault kConfigIncomplete{"T2003", "the configuration lacks something", "set the key named above, or make the file that it names; tilld config show --origin lists what is set"};
inline constexpr Fault kDataFolder{"T2004", "the data folder cannot be used", "check data_dir (it must exist or be makeable, and be writable) and that no other tilld runs on it"};
inline constexpr Fault kBootRecord{"T2005", "the boot record cannot be read or written", "check boot_state; till-bootctl show and init work on the same file"};
inline constexpr Fault kJournal{"T2006", "the journal cannot be read or written", "check data_dir for space and write errors; without a journal nothing is installed"};
inline constexpr Fault kClockUnknown{"T2007", "the clock is behind what signed metadata proves, or far ahead of it", "set the time (sysntpd); updates are installed, but until then the terminal counts as stale, and windows as shut"};
inline constexpr Fault kSlotUnusable{"T2008", "a slot cannot be opened", "check slot_a and slot_b: two different files or devices, both readable, the spare one writable"};
inline constexpr Fault kImageUnknown{"T2009", "what the running slot holds is not known", "tilld adopt names the image; until then only chunks and full payloads fit"};
inline constexpr Fault kImageChanged{"T2010", "the running slot no longer holds the image it was written with", "the storage is failing or was written by hand: a full payload mends the spare slot"};
inline constexpr Fault kServerRefuses{"T2011", "the update server refuses this terminal", "check tenant, controller_id and token against the hub"};
inline constexpr Fault kServerAnswer{"T2012", "the update server's answer cannot be used", "check that 'server' is a tillhub or hawkBit, up, and that ca_file holds its certificate; its log says more"};
inline constexpr Fault kTrustRefused{"T2013", "the signed metadata is refused", "the hub's repository does not follow from trusted_root: check which keys signed it"};
inline constexpr Fault kNotSigned{"T2014", "the payload or its image is not named by signed metadata", "publish the release with tillpack publish; an upload by hand is not enough"};
inline constexpr Fault kWrongBoard{"T2015", "the image is for another board", "assign a release whose hardware list holds this terminal's 'board', exactly"};
inline constexpr Fault kWrongComponent{"T2016", "the image is for another product, component or slot", "check product and component in tilld.conf and in the release"};
inline constexpr Fault kOlderVersion{"T2017", "the image is not newer than what runs", "an older release needs a permit; a rebuilt one needs a new version"};
inline constexpr Fault kBelowFloor{"T2018", "the image's rollback index is below the floor", "images below the floor must never run again: build one with a higher rollback_index"};
inline constexpr Fault kFormatTooNew{"T2019", "the payload's format is newer than this agent", "let the server choose a full payload, or update tilld first"};
inline constexpr Fault kTooMuchMemory{"T2020", "the payload needs more memory than this terminal grants", "pack with a smaller profile, or raise 'arena' if the terminal has the RAM"};
inline constexpr Fault kWrongBase{"T2021", "the delta does not start from the image that runs here", "the server must choose by till.image.<component>; see tilld status for what runs"};
inline constexpr Fault kSlotTooSmall{"T2022", "the image does not fit the spare slot", "build a smaller image or give the slots more room"};
inline constexpr Fault kPayloadDamaged{"T2023", "the payload's bytes are not the signed ones", "every source served wrong bytes: upload the payload again and scrub the edges"};
inline constexpr Fault kPayloadRefused{"T2024", "the payload cannot be applied", "tillpack verify --apply-all shows the same: pack it again"};
inline constexpr Fault kSlotWrite{"T2025", "the spare slot cannot be written", "check its storage for space, wear and write errors"};
inline constexpr Fault kReadBackWrong{"T2026", "the written slot does not hold the signed image", "the storage returned other bytes than were written: it is failing"};
inline constexpr Fault kHealthFailed{"T2027", "the new image did not pass its health checks", "run the check named above in the new image; the terminal is back on the old one"};
inline constexpr Fault kBootFellBack{"T2028", "the boot code went back to the old image", "the new image did not come up far enough to confirm itself"};
inline constexpr Fault kNoSource{"T2029", "no source can deliver the payload now", "it is tried again by itself; check the link, the edges and the hub"};
inline constexpr Fault kRebootFailed{"T2030", "the terminal was not restarted", "check 'reboot' in tilld.conf"};
inline constexpr Fault kFullNotAllowed{"T2031", "no delta fits and the full payload is not allowed", "a failed delta never becomes a full download by itself: allow it in the rollout, or set full_fallback = always"};
inline constexpr Fault kOverBudget{"T2032", "the payload is larger than this terminal's data budget", "send a smaller delta, install from USB, or raise data_budget"};
inline constexpr Fault kHookRefused{"T2033", "a hook refused the update", "run the hook named above by hand; 75 means later, every other status than 0 means never"};
inline constexpr Fault kNotConfined{"T2034", "the downloading process is not confined", "run tilld as root or on a kernel with seccomp: without both a download could write to the slots"};
inline constexpr Fault kMedium{"T2035", "the medium holds no release", "give the folder that tillpack made (with tuf/ in it or beside it), or one tar of both"};
inline constexpr Fault kProvision{"T2036", "the terminal cannot be provisioned", "see the reason above; provisioning can be run again and changes only what is missing"};
inline constexpr Fault kLockRefused{"T2037", "the lock cannot be taken", "the restart has begun, or too many locks are held: try again later"};
inline constexpr Fault kHealthFolder{"T2038", "the health checks cannot be run", "check health_dir: without checks every image that boots is confirmed"};
inline constexpr Fault kKeptInSlot{"T2039", "settings or secrets lie in a slot", "keep data_dir, token_file and the configuration on a partition of their own: slots are written over"};
inline constexpr Fault kNeverRan{"T2040", "tilld has not run here yet", "start it (service tilld start); tilld doctor says what is missing"};
inline constexpr Fault kConfigFile{"T2041", "the configuration file cannot be read", "check the path given by --config, and that this user may read it"};
inline constexpr Fault kServerAway{"T2042", "the update server does not answer", "it is asked again by itself; check the link, the host and port of 'server', and the hub"};
inline constexpr Fault kServerCertificate{"T2043", "the update server's certificate does not verify", "check that ca_file holds the authority that signed it, that it names the host of 'server' and has not expired, and this terminal's clock"};
inline constexpr Fault kTrustExpired{"T2044", "the signed metadata has expired", "renew it: tillpack renew, then publish, daily; a terminal whose clock is ahead must be set"};
inline constexpr Fault kTrustMissing{"T2045", "the signed metadata cannot be had", "tillpack publish brings it to a tillhub; for a server that serves none upload out/release.tuf beside the payload"};
// Compared are the root given, or trusted_root, and the one in data_dir/tuf, which counts: the newer of both must be signed by the keys of the older.
inline constexpr Fault kOtherRoot{"T2046", "the trusted root is of another repository than the one kept here", "give the newest N.root.json of the repository that this terminal follows; to move it to another one: tilld provision --root FILE --replace-root, which forgets what the old one proved"};
inline constexpr Fault kLinkNowhere{"T2047", "a link that the update server handed out leads nowhere", "the link is made at the hub: check its --base-url, the path that a proxy in front of it adds or takes away, and the mirrors (edges) it names"};
inline constexpr Fault kLinkAway{"T2048", "the host of a link does not answer", "it is tried again by itself; check the host and port in the link: the hub's --base-url and its edges name them"};
inline constexpr Fault kLinkCertificate{"T2049", "the certificate of a link's host does not verify", "check that ca_file holds the authority that signed it too, and that it names the host in the link"};
inline constexpr Fault kWaits{"T2050", "the update waits", "nothing is broken: tilld why says who objects; try again later"};
inline constexpr Fault kNoSuchLock{"T2051", "no lock of that name is held", "it ended by itself, or was taken under another --reason: tilld why lists what is held"};
inline constexpr Fault kAnswerTooLate{"T2052", "the answer comes too late", "the restart has begun, or is behind: it cannot be put off any more"};
inline constexpr Fault kNobodyAsks{"T2053", "no update asks for an answer", "tilld status says what goes on; an answer is asked for when consent = ask and an update is under way"};
inline constexpr Fault kMediumDamaged{"T2054", "a file of the medium is damaged", "copy the release to the medium again, and unmount it before you pull it; if it happens again, take another medium"};
inline constexpr Fault kOldName{"T2055", "a setting comes from an environment variable by its old name", "write TILLD_... for TILL_...: the old names go with the next release"};
inline constexpr Fault kCommandMissing{"T2056", "the command cannot be run", "check its path; nothing was run, and the lock is released"};
inline constexpr Fault kSpeaksNoHttp{"T2057", "the update server is there and speaks no HTTP", "check the port, and that 'server' begins with https:// where the hub has a certificate"};
inline constexpr Fault kRestartMissing{"T2058", "the program that restarts the terminal is not there", "set 'reboot' in tilld.conf to a command that this system has, or to 'exit' where whoever started tilld restarts"};
inline constexpr Fault kUpdateFailed{"T2059", "the update failed", "the reason is above and went to the hub; tilld why --bundle holds what was kept of it"};
inline constexpr Fault kLocksShut{"T2060", "this user may take no locks", "set lock_group in tilld.conf to a group that it belongs to, and restart tilld"};
inline constexpr Fault kSecretOpen{"T2061", "a secret can be read by others", "chmod 600 the file that is named above, and nothing else: its folder stays as it is"};
// clang-format on

}  // namespace till::device
