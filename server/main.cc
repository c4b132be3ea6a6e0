// tillhub: the update server. Reads the command line and serves until it is told to end, or says who may come in.
#include <signal.h>
#include <stdio.h>

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <cstring>

#include "core/commands/command_line.h"
#include "core/file.h"
#include "core/http/address.h"
#include "core/log.h"
#include "core/text.h"
#include "server/credential_command.h"
#include "server/faults.h"
#include "server/model/tenant_config.h"
#include "server/running_hub.h"

namespace {

using till::server::RunningHub;
using till::server::ServeOptions;
using till::server::StartFailure;

constexpr int kExitFailed = 1;
constexpr int kExitUsage = 2;
constexpr int kExitConflict = 6;

constexpr till::commands::Example kExamples[] = {
    {"tillhub serve --data /var/lib/tillhub --listen 0.0.0.0:8443 --tls-cert hub.pem --tls-key hub.key", true},
    {"tillhub serve --data ./hub --listen 127.0.0.1:0 --min-polling-time 00:00:01"},
    {"tillhub operator add anna --data /var/lib/tillhub --password-file anna.password"},
    {"tillhub operator ls --data /var/lib/tillhub --json", true},
    {"tillhub operator rm anna --data /var/lib/tillhub"},
    {"tillhub token add ci --data /var/lib/tillhub", true},
    {"tillhub token ls --data /var/lib/tillhub --edge"},
    {"tillhub token rm --edge edge.token --data /var/lib/tillhub", true},
};

struct Flags {
  ServeOptions serve;
  std::string listen = "127.0.0.1:8080";
  std::string min_polling_time = "00:00:30";
  bool json_log = false;
};

int Fail(const till::Fault& fault, const std::string& context, const till::Error* error, int exit_code) {
  fprintf(stderr, "%s\n", till::FormatFault(fault, context, error).c_str());
  return exit_code;
}

void DefineServe(CLI::App& app, Flags& flags) {
  CLI::App* serve = app.add_subcommand("serve", "Serve terminals, edges and operators until SIGTERM");
  serve->add_option("--data", flags.serve.data_folder, "Folder for everything the hub keeps (made when missing)")
      ->required();
  serve->add_option("--listen", flags.listen, "ADDRESS:PORT, [IPv6]:PORT; port 0 lets the system choose")
      ->capture_default_str();
  serve->add_option("--tls-cert", flags.serve.tls_cert_file, "PEM certificate chain; without it plain HTTP is served");
  serve->add_option("--tls-key", flags.serve.tls_key_file, "PEM key of the certificate");
  serve->add_option("--base-url", flags.serve.base_url, "What links begin with; else the Host of each request");
  serve->add_option("--trusted-proxy", flags.serve.trusted_proxies,
                    "Address whose X-Forwarded-* and X-Controller-Id headers count (may be repeated)");
  serve->add_option("--max-connections-per-address", flags.serve.max_connections_per_address,
                    "Most connections of one address, trusted proxies aside; 0 = an eighth of all there can be");
  serve->add_option("--min-polling-time", flags.min_polling_time, "Terminals are never told to poll more often")
      ->capture_default_str();
  serve->add_option("--access-log", flags.serve.access_log,
                    "File for one JSON line per payload answer; at 64 MiB it becomes FILE.1 and a new one begins");
  serve->add_option("--trusted-root", flags.serve.trusted_root_file,
                    "root.json that published metadata must lead back to; else the first published one is trusted");
  serve->add_option("--edge-token-file", flags.serve.edge_token_file,
                    "Token of edges; else one is made in DATA/edge.token");
  serve->add_option("--loops", flags.serve.loops, "Threads that serve connections; 0 = one per CPU")
      ->check(CLI::Range(0, 1024));
  serve->add_flag("--log-json", flags.json_log, "Log lines as JSON");
  serve->footer(
      "TILL_BOOTSTRAP_ADMIN=user:password makes that operator; without it the first start writes a token to\n"
      "DATA/admin.token. When serving, one line of JSON with the URL goes to stdout.");
}

// Splits --listen and reads --min-polling-time; false after a complaint.
bool Read(Flags& flags) {
  const size_t colon = flags.listen.rfind(':');
  std::string address = colon == std::string::npos ? "" : flags.listen.substr(0, colon);
  if (address.size() > 2 && address.front() == '[' && address.back() == ']')
    address = address.substr(1, address.size() - 2);
  const auto port = till::ParseUint(colon == std::string::npos ? "" : std::string_view(flags.listen).substr(colon + 1));
  if (address.empty() || !port.ok() || *port > 65535) {
    Fail(till::server::faults::kBadFlag, "--listen " + flags.listen, nullptr, kExitUsage);
    return false;
  }
  flags.serve.address = address;
  flags.serve.port = static_cast<uint16_t>(*port);
  const auto polling = till::server::ParseInterval(flags.min_polling_time);
  const bool said_in_full = flags.min_polling_time.find_first_of(":P") != std::string::npos;  // "5" of what?
  if (!said_in_full || !polling.ok() || *polling < 1 || *polling >= 86400) {
    Fail(till::server::faults::kBadFlag, "--min-polling-time " + flags.min_polling_time, nullptr, kExitUsage);
    return false;
  }
  flags.serve.min_polling_s = *polling;
  while (flags.serve.base_url.ends_with('/')) flags.serve.base_url.pop_back();
  if (!flags.serve.base_url.empty() && !till::IsServerUrl(flags.serve.base_url)) {
    Fail(till::server::faults::kBadFlag, "--base-url " + flags.serve.base_url + " is no http:// or https:// address",
         nullptr, kExitUsage);
    return false;
  }
  for (const std::string& proxy : flags.serve.trusted_proxies) {
    if (till::http::ParseAddress(proxy, 0).ok()) continue;
    Fail(till::server::faults::kBadFlag, "--trusted-proxy " + proxy + " is no address: it would never match", nullptr,
         kExitUsage);
    return false;
  }
  const bool half_tls = flags.serve.tls_cert_file.empty() != flags.serve.tls_key_file.empty();
  if (half_tls) {
    const bool has_cert = flags.serve.tls_key_file.empty();
    Fail(till::server::faults::kBadTls,
         has_cert ? "--tls-key is missing, --tls-cert is given" : "--tls-cert is missing, --tls-key is given", nullptr,
         kExitUsage);
  }
  return !half_tls;
}

// Takes the variable out of the environment, and its text out of the memory that /proc/PID/environ shows.
std::string TakeSecret(const char* name) {
  char* value = getenv(name);
  if (value == nullptr) return "";
  std::string taken(value);
  explicit_bzero(value, taken.size());
  unsetenv(name);
  return taken;
}

int Serve(Flags& flags) {
  sigset_t ending;  // blocked before any thread starts, so that only the wait below takes them
  sigemptyset(&ending);
  sigaddset(&ending, SIGTERM);
  sigaddset(&ending, SIGINT);
  pthread_sigmask(SIG_BLOCK, &ending, nullptr);
  signal(SIGPIPE, SIG_IGN);
  flags.serve.bootstrap_admin = TakeSecret("TILL_BOOTSTRAP_ADMIN");

  StartFailure failure;
  const auto hub = RunningHub::Start(flags.serve, till::SystemClock(), &failure);
  if (!hub) {
    using namespace till::server::faults;
    const bool taken = failure.fault == &kPortInUse || failure.fault == &kAlreadyRunning;
    return Fail(*failure.fault, failure.context, &failure.error, taken ? kExitConflict : kExitFailed);
  }
  // Not at the first start alone: one that failed may have made the token and said nothing.
  const std::string admin_token = flags.serve.data_folder + "/admin.token";
  if (till::FileExists(admin_token)) {
    fprintf(stderr, "%sthe operator's token is in %s\n", hub->wrote_admin_token() ? "first start: " : "",
            admin_token.c_str());
  }
  printf("{\"event\":\"ready\",\"program\":\"tillhub\",\"url\":%s}\n", till::QuoteJson(hub->url()).c_str());
  fflush(stdout);
  const timespec second{1, 0};
  while (sigtimedwait(&ending, nullptr, &second) < 0) hub->Tick();
  till::log::Info("ending");
  return 0;
}

}  // namespace

// NOLINTNEXTLINE(bugprone-exception-escape): what CLI11 throws besides ParseError is out of memory
int main(int argc, char** argv) {
  CLI::App app{"tillhub, the Tillrace update server", "tillhub"};
  app.require_subcommand(1);
  app.set_version_flag("--version", "tillhub " TILL_VERSION);
  Flags flags;
  DefineServe(app, flags);
  till::server::CredentialCommands credentials;
  till::server::DefineCredentialCommands(app, credentials);
  till::commands::ShowExamples(
      app, kExamples,
      "Exit codes: 0 ok, or ended by a signal, 1 failed, 2 usage, 6 another holds the port or the data folder.");
  if (const auto done = till::commands::Parse(app, argc, argv, till::server::faults::kUsage)) return *done;
  till::log::Configure("tillhub", till::log::Level::kInfo,
                       flags.json_log ? till::log::Format::kJson : till::log::Format::kText);
  if (credentials.run) return credentials.run();
  if (!Read(flags)) return kExitUsage;
  return Serve(flags);
}
