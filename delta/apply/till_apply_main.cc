// till-apply: applies one payload to a copy of its base, with the terminal's own code and memory rules.
#include <getopt.h>

#include <cstdio>
#include <string>

#include "core/fault.h"
#include "core/text.h"
#include "delta/apply/apply_to_file.h"
#include "delta/apply/faults.h"

namespace till::delta {
namespace {

constexpr char kHelp[] =
    "till-apply: rebuild an image from a payload, in the terminal's memory\n"
    "\n"
    "  till-apply --payload FILE --out FILE [--base FILE] [--max-memory SIZE] [--json]\n"
    "\n"
    "  --base FILE        the image the delta starts from (not for a full payload)\n"
    "  --payload FILE     what tillpack delta or tillpack full made\n"
    "  --out FILE         the image; written beside and renamed when its hash is right\n"
    "  --max-memory SIZE  refuse payloads that declare more, as 8MiB (the default)\n"
    "  --version          of this program\n"
    "  --json             {\"sha256\",\"bytes\",\"arena_bytes\",\"peak_rss_kib\"} on stdout\n"
    "\n"
    "  exit codes: 0 done, 1 failed, 2 usage, 3 wrong base or payload, 4 memory ceiling\n"
    "\n"
    "  example:  till-apply --base old.squashfs --payload update.till --out new.squashfs --max-memory 2MiB\n";

struct Arguments {
  ApplyPaths paths{.base = "", .payload = "", .out = "", .max_arena_bytes = 8 << 20};
  bool json = false;
};

int Run(const Arguments& arguments) {
  const ApplyOutcome outcome = ApplyToFile(arguments.paths);
  if (!outcome.status.ok()) {
    const Error& error = outcome.status.error();
    const std::string text = arguments.json ? FormatFaultJson(*outcome.fault, outcome.context, &error) + "\n"
                                            : FormatFault(*outcome.fault, outcome.context, &error);
    fputs(text.c_str(), stderr);
    return outcome.exit_code;
  }
  const PayloadHeader& header = outcome.header;
  const auto peak_rss_kib = static_cast<unsigned long long>(outcome.peak_rss_kib);
  const std::string digest = ToHex(header.target_sha256);
  if (arguments.json) {
    printf("{\"sha256\":\"%s\",\"bytes\":%llu,\"arena_bytes\":%u,\"peak_rss_kib\":%llu}\n", digest.c_str(),
           static_cast<unsigned long long>(header.target_size), header.arena_bytes, peak_rss_kib);
  } else {
    printf("sha256    %s\nimage     %llu bytes\narena     %u bytes\npeak RSS  %llu KiB\n", digest.c_str(),
           static_cast<unsigned long long>(header.target_size), header.arena_bytes, peak_rss_kib);
  }
  return 0;
}

int Usage(const char* what) {
  fputs(FormatFault(kApplyUsage, what, nullptr).c_str(), stderr);
  return 2;
}

int Main(int argc, char** argv) {
  static const option kOptions[] = {
      {"base", required_argument, nullptr, 'b'}, {"payload", required_argument, nullptr, 'p'},
      {"out", required_argument, nullptr, 'o'},  {"max-memory", required_argument, nullptr, 'm'},
      {"json", no_argument, nullptr, 'j'},       {"help", no_argument, nullptr, 'h'},
      {"version", no_argument, nullptr, 'V'},    {nullptr, 0, nullptr, 0},
  };
  Arguments arguments;
  bool version = false;
  for (int choice; (choice = getopt_long(argc, argv, "ho:", kOptions, nullptr)) != -1;) {
    switch (choice) {
      case 'b':
        arguments.paths.base = optarg;
        break;
      case 'p':
        arguments.paths.payload = optarg;
        break;
      case 'o':
        arguments.paths.out = optarg;
        break;
      case 'j':
        arguments.json = true;
        break;
      case 'm': {
        const Result<uint64_t> size = ParseSize(optarg);
        if (!size.ok()) return Usage("--max-memory wants a size, as 8MiB");
        arguments.paths.max_arena_bytes = *size;
        break;
      }
      case 'h':
        fputs(kHelp, stdout);
        return 0;
      case 'V':
        version = true;
        break;
      default:
        return Usage("unknown option");
    }
  }
  if (optind != argc) return Usage("an argument without a name");
  if (version) return puts("till-apply " TILL_VERSION) < 0 ? 1 : 0;
  if (arguments.paths.payload.empty() || arguments.paths.out.empty()) return Usage("--payload and --out are needed");
  return Run(arguments);
}

}  // namespace
}  // namespace till::delta

int main(int argc, char** argv) { return till::delta::Main(argc, argv); }
