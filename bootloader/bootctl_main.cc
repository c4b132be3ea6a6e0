// till-bootctl: shows and changes the boot record from a console.
#include <getopt.h>

#include <cstdio>
#include <cstring>
#include <string>

#include "bootloader/boot_file.h"
#include "bootloader/faults.h"
#include "core/text.h"

namespace till::bootloader {
namespace {

constexpr char kHelp[] =
    "till-bootctl: show and change the boot record\n"
    "\n"
    "  till-bootctl init    --state FILE [--slot a|b] [--image-version V] [--index N] [--floor N]\n"
    "      a fresh record: the slot (default a) is confirmed, the other is empty\n"
    "  till-bootctl show    --state FILE [--json]\n"
    "  till-bootctl try     --state FILE --slot a|b [--image-version V] [--index N] [--tries N]\n"
    "      boot the spare slot on trial (default 3 tries)\n"
    "  till-bootctl confirm --state FILE --slot a|b [--floor N]\n"
    "  till-bootctl fail    --state FILE --slot a|b\n"
    "      end the trial: back to the confirmed slot\n"
    "  till-bootctl --version\n"
    "\n"
    "  exit codes: 0 done, 1 failed, 2 usage\n"
    "\n"
    "  example:  till-bootctl init --state boot.state --slot a --image-version 1.4.2\n";

struct Arguments {
  std::string command;
  std::string state;
  std::string version;
  uint8_t slot = TILL_BOOT_NO_SLOT;
  uint32_t index = 0;
  uint32_t floor = 0;
  uint8_t tries = TILL_BOOT_DEFAULT_TRIES;
  bool json = false;
};

int Usage(const char* context) {
  fputs((FormatFault(kUsage, context, nullptr) + "\n").c_str(), stderr);
  return 2;
}

int Fail(const Fault& fault, const std::string& context, const Error* error) {
  fputs((FormatFault(fault, context, error) + "\n").c_str(), stderr);
  return 1;
}

std::string VersionOf(const till_boot_slot& slot) {
  return std::string(slot.version, strnlen(slot.version, sizeof(slot.version)));
}

void PrintJson(const till_boot_copies& read) {
  const till_boot_record& r = read.record;
  printf("{\"valid\":[%s,%s],\"found\":%s", read.valid[0] ? "true" : "false", read.valid[1] ? "true" : "false",
         read.found ? "true" : "false");
  if (read.found) {
    printf(
        ",\"copy\":%d,\"seq\":%u,\"stable\":\"%s\",\"trial\":\"%s\",\"tries_left\":%u,\"failed\":\"%s\",\"reason\":\"%"
        "s\","
        "\"floor\":%u,\"slots\":[",
        read.copy, r.seq, SlotName(r.stable), SlotName(r.trial), r.tries_left, SlotName(r.failed),
        ReasonText(r.failed_reason), r.floor);
    for (unsigned i = 0; i < TILL_BOOT_SLOTS; i++) {
      printf("%s{\"slot\":\"%s\",\"version\":%s,\"rollback_index\":%u,\"confirmed\":%s}", i ? "," : "",
             SlotName(static_cast<uint8_t>(i)), QuoteJson(VersionOf(r.slots[i])).c_str(), r.slots[i].rollback_index,
             (r.confirmed >> i & 1) ? "true" : "false");
    }
    printf("]");
  }
  printf("}\n");
}

void PrintText(const till_boot_copies& read) {
  printf("copies     %s, %s\n", read.valid[0] ? "valid" : "invalid", read.valid[1] ? "valid" : "invalid");
  if (!read.found) return;
  const till_boot_record& r = read.record;
  printf("record     copy %d, number %u\n", read.copy, r.seq);
  if (r.trial == TILL_BOOT_NO_SLOT) {
    printf("state      stable in %s\n", SlotName(r.stable));
  } else {
    printf("state      trial of %s, %u tries left; %s is kept\n", SlotName(r.trial), r.tries_left, SlotName(r.stable));
  }
  if (r.failed != TILL_BOOT_NO_SLOT) printf("failed     %s: %s\n", SlotName(r.failed), ReasonText(r.failed_reason));
  printf("floor      %u\n", r.floor);
  for (unsigned i = 0; i < TILL_BOOT_SLOTS; i++) {
    const std::string version = VersionOf(r.slots[i]);
    printf("slot %s     version %s, rollback index %u%s\n", SlotName(static_cast<uint8_t>(i)),
           version.empty() ? "-" : version.c_str(), r.slots[i].rollback_index,
           (r.confirmed >> i & 1) ? ", confirmed" : "");
  }
}

// The wanted change on `record`; 0 when the machine refuses it.
int Change(const Arguments& arguments, till_boot_record& record) {
  const char* version = arguments.version.c_str();
  if (arguments.command == "init") {
    const uint8_t slot = arguments.slot == TILL_BOOT_NO_SLOT ? 0 : arguments.slot;
    return till_boot_factory(&record, slot, version, arguments.index, arguments.floor);
  }
  if (arguments.command == "try") {
    return till_boot_begin_trial(&record, arguments.slot, version, arguments.index, arguments.tries);
  }
  if (arguments.command == "confirm") return till_boot_confirm(&record, arguments.slot, arguments.floor);
  return till_boot_mark_failed(&record, arguments.slot, TILL_BOOT_REASON_OPERATOR);
}

int Run(const Arguments& arguments) {
  if (arguments.command == "init") {
    const Status made = CreateStateFile(arguments.state);
    if (!made.ok()) return Fail(kStateUnwritable, arguments.state, &made.error());
  }
  auto read = ReadStateFile(arguments.state);
  if (!read.ok()) return Fail(kStateUnreadable, arguments.state, &read.error());
  if (arguments.command == "show") {
    arguments.json ? PrintJson(*read) : PrintText(*read);
    return read->found ? 0 : Fail(kStateInvalid, arguments.state, nullptr);
  }
  if (!read->found && arguments.command != "init") return Fail(kStateInvalid, arguments.state, nullptr);
  till_boot_record next = read->record;
  if (!Change(arguments, next)) return Fail(kChangeRefused, arguments.command, nullptr);
  const Status written = WriteStateFile(arguments.state, *read, next);
  if (!written.ok()) return Fail(kStateUnwritable, arguments.state, &written.error());
  return 0;
}

// False for a number that is none or above `most`.
bool Number(const char* text, uint64_t most, uint64_t& out) {
  const auto value = ParseUint(text);
  if (!value.ok() || *value > most) return false;
  out = *value;
  return true;
}

int Main(int argc, char** argv) {
  Arguments arguments;
  if (argc >= 2) arguments.command = argv[1];
  const std::string& command = arguments.command;
  if (command == "--help" || command == "-h") {
    fputs(kHelp, stdout);
    return 0;
  }
  if (command == "--version" && argc == 2) return puts("till-bootctl " TILL_VERSION) < 0 ? 1 : 0;
  if (command != "init" && command != "show" && command != "try" && command != "confirm" && command != "fail") {
    return Usage("the commands are init, show, try, confirm, fail");
  }
  static const option kOptions[] = {{"state", required_argument, nullptr, 's'},
                                    {"slot", required_argument, nullptr, 'l'},
                                    {"image-version", required_argument, nullptr, 'v'},
                                    {"index", required_argument, nullptr, 'i'},
                                    {"floor", required_argument, nullptr, 'f'},
                                    {"tries", required_argument, nullptr, 't'},
                                    {"json", no_argument, nullptr, 'j'},
                                    {"help", no_argument, nullptr, 'h'},
                                    {nullptr, 0, nullptr, 0}};
  optind = 2;
  for (int c; (c = getopt_long(argc, argv, "h", kOptions, nullptr)) != -1;) {
    uint64_t number = 0;
    switch (c) {
      case 's':
        arguments.state = optarg;
        break;
      case 'v':
        arguments.version = optarg;
        break;
      case 'j':
        arguments.json = true;
        break;
      case 'h':
        fputs(kHelp, stdout);
        return 0;
      case 'l':
        arguments.slot = SlotFromName(optarg);
        if (arguments.slot == TILL_BOOT_NO_SLOT) return Usage("--slot is a or b");
        break;
      case 'i':
        if (!Number(optarg, UINT32_MAX, number)) return Usage("--index is a number below 2^32");
        arguments.index = static_cast<uint32_t>(number);
        break;
      case 'f':
        if (!Number(optarg, UINT32_MAX, number)) return Usage("--floor is a number below 2^32");
        arguments.floor = static_cast<uint32_t>(number);
        break;
      case 't':
        if (!Number(optarg, TILL_BOOT_MAX_TRIES, number)) return Usage("--tries is 1 to 15");
        arguments.tries = static_cast<uint8_t>(number);
        break;
      default:
        return Usage("an option is unknown");
    }
  }
  if (arguments.state.empty() || optind != argc) return Usage("--state FILE is needed");
  if (arguments.slot == TILL_BOOT_NO_SLOT && command != "init" && command != "show") return Usage("--slot is needed");
  return Run(arguments);
}

}  // namespace
}  // namespace till::bootloader

int main(int argc, char** argv) { return till::bootloader::Main(argc, argv); }
