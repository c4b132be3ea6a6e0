// What --help prints: the whole page, or one command's with its options and examples.
#include <cstdio>
#include <cstring>

#include "device/cli/arguments.h"
#include "device/faults.h"

namespace till::device {
namespace {

struct Page {
  const char* command;
  const char* usage;    // behind the command's name
  const char* summary;  // one line
  const char* more;     // options and examples
};

constexpr Page kPages[] = {
    {"run", "[--once] [--running-slot a|b]", "poll, download, install, switch, confirm or roll back",
     "  --once               one poll and whatever follows from it, then an end\n"
     "  --running-slot a|b   what the boot code started (else till.slot= of the kernel's command line, else the boot\n"
     "                       record's)\n"
     "\n"
     "exit codes: 0 stopped, 1 failed, 2 bad configuration, 10 restart the terminal (reboot = exit); with --once\n"
     "0 done or nothing to do, 1 the update failed or somebody must mend something (a link that leads nowhere, a "
     "slot),\n"
     "3 a certificate or metadata does not verify, 75 not now: a server or source is away, or somebody objects\n"
     "\n"
     "examples:\n"
     "  slot=$(till-boot select --state boot.state); tilld run --config tilld.conf --running-slot $slot\n"
     "  tilld run --once --json || logger \"no update now: $?\"\n"},
    {"status", "", "what it is doing",
     "examples:\n"
     "  tilld status\n"
     "  tilld status --json | jsonfilter -e @.version\n"},
    {"why", "[--bundle]", "what it waits for, why the server is missed, what went wrong last",
     "  --bundle   all that was kept of the last failure: reason, the kernel's last words, log, settings\n"
     "\n"
     "examples:\n"
     "  tilld why\n"
     "  tilld why --bundle > failure.txt\n"},
    {"doctor", "[--offline] [--running-slot a|b]", "look at everything an update will need",
     "  --offline   ask no server; else it is asked whether it knows this terminal, whether its signed metadata "
     "follows\n"
     "              from the trusted root, and whether the links of an offer lead somewhere\n"
     "\n"
     "examples:\n"
     "  tilld doctor\n"
     "  tilld doctor --offline --json\n"},
    {"lock", "[--reason R] [--max 15m] [--release] [-- COMMAND...]", "no restart meanwhile",
     "  --reason R   a name; the same one prolongs the lock (default manual)\n"
     "  --max 15m    when it ends by itself: 90s, 15m, 4h; lock_max_s at most\n"
     "  --release    end it; 1 when it is not held (any more)\n"
     "  COMMAND      the lock is held while it runs; its exit status is the answer (127: it cannot be run)\n"
     "\n"
     "75: the restart has begun, or too many locks are held; 1: this user is not of lock_group\n"
     "\n"
     "examples:\n"
     "  tilld lock --reason sale --max 15m -- /usr/bin/pos-sale\n"
     "  tilld lock --reason inventory --max 1h; tilld lock --release --reason inventory\n"},
    {"consent", "yes|later [--for 4h]", "the merchant's answer to \"restart now?\" (consent = ask)",
     "  --for 4h   of later: when to ask again (default defer_s)\n"
     "\n"
     "1: nobody asks, or the restart has begun\n"
     "\n"
     "examples:\n"
     "  tilld consent yes\n"
     "  tilld consent later --for 2h\n"},
    {"install", "FOLDER|FILE", "a signed release from a medium: tillpack's folder, or a tar of it",
     "  --running-slot a|b   as for run\n"
     "\n"
     "exit codes: 0 done, 1 refused, 10 restart the terminal (reboot = exit), 75 somebody objects: try again later\n"
     "\n"
     "examples:\n"
     "  tilld install /mnt/usb/1.5.0\n"
     "  tilld install /tmp/release.tar --json\n"},
    {"config", "show [--origin]", "the settings",
     "  --origin   where each came from: flag, environment (TILLD_KEY), file, default\n"
     "\n"
     "examples:\n"
     "  tilld config show --origin\n"
     "  tilld config show --config /dev/null     every key and its default\n"},
    {"provision", "[--token FILE] [--root FILE] [--slot a|b --image-version V]", "identity, trust, slots: once",
     "  --token FILE      copied to token_file\n"
     "  --root FILE       root.json of the repository, copied to trusted_root\n"
     "  --replace-root    though another repository's is kept here: that one and what it proved are forgotten\n"
     "  --slot, --image-version, --length, --rollback-index   as for adopt\n"
     "\n"
     "examples:\n"
     "  tilld provision --token token --root 1.root.json --slot a --image-version 1.0.0\n"
     "  tilld provision --root /mnt/usb/1.root.json --replace-root     moves the terminal to another repository\n"},
    {"adopt", "--image-version V [--slot a|b] [--component C]", "what a slot holds that tilld did not write",
     "  --image-version V      of the image\n"
     "  --slot a|b             (default a)\n"
     "  --component C          (default: the one that boots)\n"
     "  --length BYTES         of the image (default: from its squashfs superblock, else the whole slot)\n"
     "  --rollback-index N     (default: what signed metadata says, else 0)\n"
     "\n"
     "examples:\n"
     "  tilld adopt --slot a --image-version 1.0.0\n"
     "  tilld adopt --component app --image-version 2.3 --length 1048576\n"},
    {"simulate", "--cut-power-at P%", "on the bench: dies in the middle of an update, and goes on",
     "  --cut-power-at P%   of the payload\n"
     "\n"
     "example:\n"
     "  tilld simulate --cut-power-at 37% --json\n"},
};

constexpr char kHead[] = "tilld " TILL_VERSION ": the update agent of the terminal\n\n";
constexpr char kTail[] =
    "\n"
    "  tilld COMMAND --help   its options and examples\n"
    "\n"
    "  --json             for machines, on stdout (each command)\n"
    "  --config FILE      settings as 'key = value' lines or in UCI's form (default /etc/tilld/tilld.conf)\n"
    "  --set KEY=VALUE    one setting, stronger than TILLD_<KEY> in the environment and than the file\n"
    "  --log-json         log lines as JSON on stderr;  --verbose  more of them;  --version\n"
    "\n"
    "  settings: tilld config show lists them; docs/terminal.md explains them\n"
    "  exit codes: 0 all is well, 1 not, 2 usage or bad configuration, 75 try again later; run and install: see "
    "there\n";

void PrintWholePage() {
  constexpr int kColumn = 34;  // wider usages push their summary to the next line
  fputs(kHead, stdout);
  for (const Page& page : kPages) {
    const int wide = static_cast<int>(strlen(page.usage));
    printf("  tilld %-9s %-*s", page.command, kColumn, page.usage);
    if (wide >= kColumn) printf("\n%*s", 18 + kColumn, "");
    printf("%s\n", page.summary);
  }
  fputs(kTail, stdout);
}

}  // namespace

int PrintHelp(const Arguments& arguments) {
  if (arguments.command.empty()) return PrintWholePage(), 0;
  for (const Page& page : kPages) {
    if (arguments.command != page.command) continue;
    printf("tilld %s %s\n\n%s\n\n%s\n", page.command, page.usage, page.summary, page.more);
    fputs("with each command: --config FILE, --set KEY=VALUE, --json, --log-json, --verbose (tilld --help)\n", stdout);
    return 0;
  }
  return Fail(kUsage, arguments.command, nullptr, 2, arguments.json);
}

}  // namespace till::device
