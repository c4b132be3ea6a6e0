#include "cdn-edge/command_line.h"

#include <cstdio>

#include <CLI/CLI.hpp>

#include "cdn-edge/faults.h"
#include "core/commands/command_line.h"
#include "core/http/address.h"
#include "core/text.h"

namespace till::edge {
namespace {

constexpr const char* kAbout =
    "tilledge: a verifying cache for update payloads.\n"
    "It fetches each byte from the origin once, checks every chunk against signed hashes before storing or\n"
    "serving it, and serves on when the origin is gone.";
constexpr commands::Example kExamples[] = {
    {"tilledge serve --origin https://hub.example --origin-token-file edge.token --data /var/lib/tilledge "
     "--listen 0.0.0.0:8081",
     true},
    {"tilledge scrub --data /var/lib/tilledge", true},
    {"tilledge ls --data /var/lib/tilledge --json", true},
};

constexpr uint64_t kLeastMemory = 16 << 20;

struct ServeText {
  std::string listen = "127.0.0.1:0";
  std::string max_bytes = "10GiB";
  std::string memory = "128MiB";
  std::string log_max = "64MiB";
  std::string token_file;
};

void AddServe(CLI::App& app, EdgeOptions& edge, ServeText& text) {
  CLI::App* serve = app.add_subcommand("serve", "Serve payloads and signed metadata; fill from the origin");
  serve->add_option("--origin", edge.origin.url, "The hub's address (or another edge's), http:// or https://")
      ->required();
  serve->add_option("--data", edge.data, "Folder of the store; made when missing")->required();
  serve->add_option("--listen", text.listen, "ADDRESS:PORT; port 0 lets the system choose")->capture_default_str();
  serve->add_option("--origin-token-file", text.token_file, "File with this edge's token for the origin");
  serve->add_option("--origin-ca", edge.origin.ca_file, "CA certificates to trust for the origin (PEM)");
  serve->add_option("--trusted-root", edge.mirror.trusted_root_file,
                    "The root of trust (N.root.json); else the origin's first one is believed");
  serve->add_option("--tenant", edge.mirror.tenant, "Tenant whose metadata is mirrored")->capture_default_str();
  serve->add_option("--max-bytes", text.max_bytes, "Most the stored objects may take, as 500MiB or 10GiB")
      ->capture_default_str();
  serve
      ->add_option("--memory", text.memory,
                   "Most that verified bytes may take in memory; what is asked for often should fit")
      ->capture_default_str();
  serve->add_option("--access-log", edge.access_log,
                    "File for one JSON line per answered range; opened anew at SIGHUP");
  serve->add_option("--access-log-max", text.log_max, "Size at which it becomes FILE.1 (kept to FILE.4); 0: never")
      ->capture_default_str();
  serve->add_option("--trusted-proxy", edge.server.proxies,
                    "Address whose connections are bound only by what there can be in all (may be repeated)");
  serve->add_option("--max-connections-per-address", edge.server.max_connections_per_address,
                    "Most connections of one address, trusted proxies aside; 0 = an eighth of all there can be");
  serve->add_option("--tls-cert", edge.server.tls_cert_file, "Certificate chain to serve HTTPS with (PEM)");
  serve->add_option("--tls-key", edge.server.tls_key_file, "Its key (PEM)");
}

Status FinishServe(EdgeOptions& edge, const ServeText& text, std::string& option) {
  option = "--listen " + text.listen;
  TILL_TRY(ParseListen(text.listen, edge.server));
  for (const std::string& proxy : edge.server.proxies) {
    option = "--trusted-proxy " + proxy;
    TILL_TRY(http::ParseAddress(proxy, 0));
  }
  option = "--max-bytes " + text.max_bytes;
  edge.catalog.max_bytes = TILL_TRY(ParseSize(text.max_bytes));
  if (edge.catalog.max_bytes == 0) return Error{ErrorCode::kInvalid, "an edge that may store nothing"};
  option = "--memory " + text.memory;
  edge.catalog.memory_bytes = TILL_TRY(ParseSize(text.memory));
  if (edge.catalog.memory_bytes < kLeastMemory) return Error{ErrorCode::kInvalid, "less than 16MiB", kLeastMemory};
  option = "--access-log-max " + text.log_max;
  edge.access_log_max_bytes = text.log_max == "0" ? 0 : TILL_TRY(ParseSize(text.log_max));
  option = "--origin " + edge.origin.url;
  while (edge.origin.url.ends_with('/')) edge.origin.url.pop_back();
  if (!IsServerUrl(edge.origin.url)) return Error{ErrorCode::kInvalid, "not an http:// or https:// address"};
  option = "--tenant " + edge.mirror.tenant;
  const auto lawful = [](char c) { return isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-'; };
  if (edge.mirror.tenant.empty() || !std::ranges::all_of(edge.mirror.tenant, lawful)) {
    return Error{ErrorCode::kInvalid, "letters, digits, '-' and '_' only"};
  }
  edge.handler.tenant = edge.mirror.tenant;
  option = "--tls-cert and --tls-key";
  if (edge.server.tls_cert_file.empty() != edge.server.tls_key_file.empty()) {
    return Error{ErrorCode::kInvalid, "one needs the other"};
  }
  option = "--origin-token-file " + text.token_file;
  if (!text.token_file.empty()) {
    const std::string token = TILL_TRY(ReadTextFile(text.token_file, 4096));
    edge.origin.token = Trim(token);
  }
  return Ok();
}

}  // namespace

Status ParseListen(std::string_view text, http::ServerOptions& server) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return Error{ErrorCode::kInvalid, "not ADDRESS:PORT"};
  const uint64_t port = TILL_TRY(ParseUint(text.substr(colon + 1)));
  if (port > 65535) return Error{ErrorCode::kInvalid, "no such port", port};
  std::string_view address = text.substr(0, colon);
  if (address.starts_with('[') && address.ends_with(']')) address = address.substr(1, address.size() - 2);
  server.address = address;
  server.port = static_cast<uint16_t>(port);
  return Ok();
}

ParsedCommandLine ParseCommandLine(int argc, char** argv) {
  CLI::App app(kAbout, "tilledge");
  app.require_subcommand(1);
  app.set_version_flag("--version", "tilledge " TILL_VERSION);
  CommandLine line;
  ServeText text;
  AddServe(app, line.edge, text);
  CLI::App* scrub = app.add_subcommand("scrub", "Hash everything stored again; drop what is wrong");
  CLI::App* list = app.add_subcommand("ls", "List what is stored");
  for (CLI::App* command : {scrub, list}) {
    command->add_option("--data", line.edge.data, "Folder of the store")->required();
    command->add_flag("--json", line.json, "One JSON object per line");
  }
  commands::ShowExamples(app, kExamples,
                         "Exit status: 0 done, or ended by a signal, 1 failed, 2 usage, 3 stored bytes were bad "
                         "(scrub), 6 another process holds the folder or "
                         "port.");
  if (const auto done = commands::Parse(app, argc, argv, kUsage)) return {std::nullopt, *done};
  if (scrub->parsed()) line.command = Command::kScrub;
  if (list->parsed()) line.command = Command::kList;
  std::string option;
  const Status finished = line.command == Command::kServe ? FinishServe(line.edge, text, option) : Ok();
  if (!finished.ok()) {
    std::fprintf(stderr, "%s", FormatFault(kBadOption, option, &finished.error()).c_str());
    return {std::nullopt, 2};
  }
  return {std::move(line), 0};
}

}  // namespace till::edge
