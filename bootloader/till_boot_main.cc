// till-boot: the boot code's choice on a host, made by the very C code that U-Boot carries.
#include <fcntl.h>
#include <getopt.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstring>
#include <string>

#include "bootloader/boot_file.h"
#include "bootloader/faults.h"
#include "core/file.h"

namespace till::bootloader {
namespace {

constexpr char kHelp[] =
    "till-boot: choose the slot to boot, exactly as the boot loader does\n"
    "\n"
    "  till-boot select --state FILE [--slot-a FILE --slot-b FILE] [--json]\n"
    "      prints a or b; in a trial the boot is counted in the record first\n"
    "\n"
    "  --state FILE    the boot record (till-bootctl init makes one)\n"
    "  --slot-a FILE   what slot a holds; with both given, an erased or unreadable slot is rejected\n"
    "  --slot-b FILE   what slot b holds\n"
    "  --version       of this program\n"
    "  --json          {\"slot\",\"trial\",\"tries_left\",\"failed\",\"reason\"} on stdout\n"
    "\n"
    "  exit codes: 0 a slot was chosen, 1 none can be booted or the record cannot be read, 2 usage\n"
    "\n"
    "  example:  case $(till-boot select --state boot.state) in b) root=/dev/mtdblock8;; *) root=/dev/mtdblock7;; "
    "esac\n";

struct Arguments {
  std::string state;
  std::string slots[TILL_BOOT_SLOTS];
  bool json = false;
};

int Usage(const char* context) {
  fputs((FormatFault(kUsage, context, nullptr) + "\n").c_str(), stderr);
  return 2;
}

void Complain(const Fault& fault, const std::string& context, const Error* error) {
  fputs((FormatFault(fault, context, error) + "\n").c_str(), stderr);
}

// A host's stand-in for the FIT check: the slot can be read and does not begin like erased flash.
bool LooksBootable(const std::string& path) {
  auto file = FileSource::Open(path);
  if (!file.ok()) return false;
  std::array<std::byte, 64> head;
  const auto got = file->ReadAt(0, head);
  if (!got.ok() || *got == 0) return false;
  const auto is_all = [&](std::byte value) {
    for (size_t i = 0; i < *got; i++) {
      if (head[i] != value) return false;
    }
    return true;
  };
  return !is_all(std::byte{0xff}) && !is_all(std::byte{0});
}

// Writes what the decision changed. A trial that cannot be counted is not tried.
void Settle(const Arguments& arguments, till_boot_decision& decision) {
  if (!decision.changed) return;
  auto read = ReadStateFile(arguments.state);
  const Status written = read.ok() ? WriteStateFile(arguments.state, *read, decision.record) : Status(read.error());
  if (written.ok()) return;
  Complain(kStateUnwritable, arguments.state, &written.error());
  if (decision.trial) {
    decision.slot = decision.record.stable;
    decision.trial = 0;
  }
}

int Print(const Arguments& arguments, const till_boot_decision& decision) {
  if (!arguments.json) {
    printf("%s\n", SlotName(decision.slot));
    return 0;
  }
  const till_boot_record& r = decision.record;
  const bool known = till_boot_record_ok(&r) != 0;
  printf("{\"slot\":\"%s\",\"trial\":%s,\"tries_left\":%u,\"failed\":\"%s\",\"reason\":\"%s\"}\n",
         SlotName(decision.slot), decision.trial ? "true" : "false", known ? unsigned{r.tries_left} : 0u,
         SlotName(known ? r.failed : TILL_BOOT_NO_SLOT), ReasonText(known ? r.failed_reason : 0));
  return 0;
}

int Select(const Arguments& arguments) {
  auto read = ReadStateFile(arguments.state);
  if (!read.ok()) {
    Complain(kStateUnreadable, arguments.state, &read.error());
    return 1;
  }
  if (!read->found) Complain(kStateInvalid, arguments.state, nullptr);
  till_boot_decision decision;
  till_boot_decide(&*read, &decision);
  Settle(arguments, decision);
  const bool check = !arguments.slots[0].empty() && !arguments.slots[1].empty();
  // Every rejection takes a slot out, so this ends.
  while (check && decision.slot != TILL_BOOT_NO_SLOT && !LooksBootable(arguments.slots[decision.slot])) {
    till_boot_decision next;
    till_boot_reject(&decision, TILL_BOOT_REASON_IMAGE, &next);
    decision = next;
    Settle(arguments, decision);
  }
  if (decision.slot == TILL_BOOT_NO_SLOT) {
    Complain(kNoBootableSlot, arguments.state, nullptr);
    return 1;
  }
  return Print(arguments, decision);
}

int Main(int argc, char** argv) {
  if (argc >= 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
    fputs(kHelp, stdout);
    return 0;
  }
  if (argc == 2 && strcmp(argv[1], "--version") == 0) return puts("till-boot " TILL_VERSION) < 0 ? 1 : 0;
  if (argc < 2 || strcmp(argv[1], "select") != 0) return Usage("the command is 'select'");
  static const option kOptions[] = {
      {"state", required_argument, nullptr, 's'},  {"slot-a", required_argument, nullptr, 'a'},
      {"slot-b", required_argument, nullptr, 'b'}, {"json", no_argument, nullptr, 'j'},
      {"help", no_argument, nullptr, 'h'},         {nullptr, 0, nullptr, 0}};
  Arguments arguments;
  optind = 2;
  for (int c; (c = getopt_long(argc, argv, "h", kOptions, nullptr)) != -1;) {
    switch (c) {
      case 's':
        arguments.state = optarg;
        break;
      case 'a':
        arguments.slots[0] = optarg;
        break;
      case 'b':
        arguments.slots[1] = optarg;
        break;
      case 'j':
        arguments.json = true;
        break;
      case 'h':
        fputs(kHelp, stdout);
        return 0;
      default:
        return Usage("an option is unknown");
    }
  }
  if (arguments.state.empty() || optind != argc) return Usage("--state FILE is needed");
  // One alone would be looked at by nobody.
  if (arguments.slots[0].empty() != arguments.slots[1].empty()) return Usage("--slot-a and --slot-b go together");
  return Select(arguments);
}

}  // namespace
}  // namespace till::bootloader

int main(int argc, char** argv) { return till::bootloader::Main(argc, argv); }
