#include "device/config.h"

#include <grp.h>
#include <pwd.h>

#include <array>

#include "core/file.h"
#include "core/log.h"
#include "core/text.h"
#include "device/agent_state.h"
#include "device/gates.h"
#include "device/zone.h"

namespace till::device {
namespace {

constexpr size_t kMaxValueBytes = 1024;

// A key is a text or a number; sizes take "4MiB".
enum class Kind : uint8_t { kText, kNumber, kSize };

struct Key {
  const char* name;
  Kind kind;
  std::string Config::*text;
  uint64_t Config::*number;
  uint64_t least, most;
};

constexpr Key Text(const char* name, std::string Config::*at) { return {name, Kind::kText, at, nullptr, 0, 0}; }
constexpr Key Number(const char* name, uint64_t Config::*at, uint64_t least, uint64_t most) {
  return {name, Kind::kNumber, nullptr, at, least, most};
}
constexpr Key Size(const char* name, uint64_t Config::*at, uint64_t least, uint64_t most) {
  return {name, Kind::kSize, nullptr, at, least, most};
}

constexpr std::array kKeys = {
    Number("enabled", &Config::enabled, 0, 1),
    Text("server", &Config::server),
    Text("tenant", &Config::tenant),
    Text("controller_id", &Config::controller_id),
    Text("token", &Config::token),
    Text("token_file", &Config::token_file),
    Text("ca_file", &Config::ca_file),
    Text("cert_file", &Config::cert_file),
    Text("key_file", &Config::key_file),
    Text("data_dir", &Config::data_dir),
    Text("run_dir", &Config::run_dir),
    Text("board", &Config::board),
    Text("product", &Config::product),
    Text("component", &Config::component),
    Text("components", &Config::components),
    Text("slot_a", &Config::slot_a),
    Text("slot_b", &Config::slot_b),
    Text("boot_state", &Config::boot_state),
    Text("journal", &Config::journal),
    Text("trusted_root", &Config::trusted_root),
    Text("health_dir", &Config::health_dir),
    Text("reboot", &Config::reboot),
    Text("download_user", &Config::download_user),
    Text("hooks_dir", &Config::hooks_dir),
    Text("pstore_dir", &Config::pstore_dir),
    Text("window", &Config::window),
    Text("download_window", &Config::download_window),
    Text("timezone", &Config::timezone),
    Text("consent", &Config::consent),
    Text("full_fallback", &Config::full_fallback),
    Size("data_budget", &Config::data_budget, 0, uint64_t{1} << 50),
    Number("consent_patience_s", &Config::consent_patience_s, 0, 366 * 86400),
    Number("defer_s", &Config::defer_s, 60, 30 * 86400),
    Number("hook_deadline_s", &Config::hook_deadline_s, 1, 3600),
    Number("lock_max_s", &Config::lock_max_s, 1, 7 * 86400),
    Size("bundle_bytes", &Config::bundle_bytes, 0, 1 << 20),
    Text("health_required", &Config::health_required),
    Text("lock_group", &Config::lock_group),
    Number("health_deadline_s", &Config::health_deadline_s, 1, 3600),
    Size("rate_limit", &Config::rate_limit, 0, uint64_t{1} << 40),
    Size("arena", &Config::arena, 256 << 10, uint64_t{1} << 30),
    Number("poll_s", &Config::poll_s, 0, 7 * 86400),
    Number("poll_min_s", &Config::poll_min_s, 1, 86400),
    Number("tries", &Config::tries, 1, 15),
};

size_t FindKey(std::string_view name) {
  for (size_t i = 0; i < kKeys.size(); i++) {
    if (name == kKeys[i].name) return i;
  }
  return kKeys.size();
}

// Why a value cannot be taken, or "" after it was set.
std::string Assign(Config& config, size_t index, std::string_view value, Origin origin) {
  const Key& key = kKeys[index];
  const std::string name = key.name;
  if (value.size() > kMaxValueBytes) return name + " is longer than 1024 bytes";
  for (const char c : value) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return name + " holds a control character";
  }
  if (key.kind == Kind::kText) {
    config.*key.text = std::string(value);
  } else {
    const auto number = key.kind == Kind::kSize ? ParseSize(value) : ParseUint(value);
    if (!number.ok()) return name + " is not a number: " + Printable(value);
    if (*number < key.least || *number > key.most) {
      return name + " must lie between " + std::to_string(key.least) + " and " + std::to_string(key.most);
    }
    config.*key.number = *number;
  }
  config.origins[index] = origin;
  return "";
}

struct Line {
  std::string_view name;
  std::string value;
  bool is_list = false;  // UCI's: several make one value
  std::string trouble;
};

Line SplitPlain(std::string_view line) {
  const size_t equals = line.find('=');
  if (equals == std::string_view::npos) {
    return {.name = {}, .value = {}, .trouble = "there is no '=' in: " + Printable(line.substr(0, 80))};
  }
  return {.name = Trim(line.substr(0, equals)), .value = std::string(Trim(line.substr(equals + 1))), .trouble = {}};
}

// option server 'https://ota.example'
Line SplitUci(std::string_view line) {
  const size_t blank = line.find_first_of(" \t");
  const std::string_view word = line.substr(0, blank);
  if (word != "option" && word != "list") {
    return {.name = {}, .value = {}, .trouble = "neither option nor list: " + Printable(line.substr(0, 80))};
  }
  const std::string_view rest = blank == std::string_view::npos ? "" : Trim(line.substr(blank));
  const size_t end = rest.find_first_of(" \t");
  std::string_view value = end == std::string_view::npos ? "" : Trim(rest.substr(end));
  const bool quoted = value.size() >= 2 && (value.front() == '\'' || value.front() == '"');
  if (quoted && value.back() != value.front()) {
    return {.name = {}, .value = {}, .trouble = "a quotation that does not end: " + Printable(line.substr(0, 80))};
  }
  if (quoted) value = value.substr(1, value.size() - 2);
  return {.name = rest.substr(0, end), .value = std::string(value), .is_list = word == "list", .trouble = {}};
}

void ReadFile(const ConfigInput& input, Config& config, std::vector<ConfigProblem>& problems) {
  std::array<bool, kKeys.size()> seen{};
  size_t number = 0;
  bool uci = false;
  for (const std::string_view raw : Split(input.file_text, '\n')) {
    number++;
    const std::string where = input.file_name + ":" + std::to_string(number);
    const std::string_view line = Trim(raw);
    if (line.empty() || line[0] == '#') continue;
    if (line.starts_with("config ")) {
      uci = true;
      continue;
    }
    Line entry = uci ? SplitUci(line) : SplitPlain(line);
    const size_t index = FindKey(entry.name);
    if (!entry.trouble.empty()) {
      problems.push_back({false, where, entry.trouble});
      continue;
    }
    if (index == kKeys.size()) {
      entry.trouble = "unknown key: " + Printable(entry.name.substr(0, 80));
    } else if (seen[index] && !entry.is_list) {
      entry.trouble = std::string(entry.name) + " is set twice";
    } else {
      if (seen[index] && kKeys[index].kind == Kind::kText) entry.value = config.*kKeys[index].text + " " + entry.value;
      seen[index] = true;
      entry.trouble = Assign(config, index, entry.value, Origin::kFile);
    }
    if (!entry.trouble.empty()) problems.push_back({false, where, entry.trouble});
  }
}

// One release long the names of before count too, below those of now. TILL_TOKEN is tillctl's and tillpack's word for
// an operator's token: in their shell it must not take the place of a token that the terminal has.
bool OldNameCounts(const Config& config, size_t index) {
  if (config.origins[index] == Origin::kEnvironment) return false;
  const bool has_token = !config.token.empty() || !config.token_file.empty();
  return kKeys[index].text != &Config::token || !has_token;
}

void ReadEnvironment(const ConfigInput& input, Config& config, std::vector<ConfigProblem>& problems) {
  constexpr std::string_view kPrefix = "TILLD_", kOldPrefix = "TILL_";
  for (const std::string_view prefix : {kPrefix, kOldPrefix}) {
    for (const auto& [variable, value] : input.environment) {
      if (!variable.starts_with(prefix)) continue;
      const size_t index = FindKey(ToLower(std::string_view(variable).substr(prefix.size())));
      const bool known = index != kKeys.size();
      if (prefix == kOldPrefix && (!known || !OldNameCounts(config, index))) continue;  // of other programs
      const std::string trouble = known ? Assign(config, index, value, Origin::kEnvironment) : "there is no such key";
      if (!trouble.empty()) problems.push_back({false, variable, trouble});
      if (prefix == kOldPrefix) config.old_names.push_back(variable);
    }
  }
}

void CheckWords(const Config& config, std::vector<ConfigProblem>& problems) {
  const auto one_of = [&](const char* name, const std::string& value, std::initializer_list<const char*> words) {
    for (const char* word : words) {
      if (value == word) return;
    }
    std::string choices;
    for (const char* word : words) choices += (choices.empty() ? "" : ", ") + std::string(word);
    problems.push_back({false, name, "it cannot be " + Printable(value) + ", but one of: " + choices});
  };
  one_of("health_required", config.health_required, {"auto", "yes", "no"});
  one_of("consent", config.consent, {"none", "ask"});
  one_of("full_fallback", config.full_fallback, {"never", "server", "always"});
  const auto spans = [&](const char* name, const std::string& value) {
    const auto parsed = ParseWindow(value);
    if (!parsed.ok()) problems.push_back({false, name, std::string(parsed.error().what) + ": " + Printable(value)});
  };
  spans("window", config.window);
  spans("download_window", config.download_window);
  // No URL can carry them: a path's dots are taken away on its way.
  for (const auto& [name, value] :
       {std::pair("tenant", &config.tenant), std::pair("controller_id", &config.controller_id)}) {
    if (*value == "." || *value == "..") problems.push_back({false, name, "it cannot be " + *value + " in a URL"});
  }
  if (config.health_required == "yes" && config.health_dir.empty()) {
    problems.push_back({true, "health_dir", "it is needed with health_required = yes"});
  }
  if (!config.lock_group.empty() && config.run_dir == config.data_dir) {
    problems.push_back({true, "run_dir", "lock_group needs one outside data_dir, which is this user's alone"});
  }
  const auto components = ComponentsOf(config);
  if (!components.ok()) problems.push_back({false, "components", components.error().what});
}

}  // namespace

const char* OriginName(Origin origin) {
  switch (origin) {
    case Origin::kDefault:
      return "default";
    case Origin::kFile:
      return "file";
    case Origin::kEnvironment:
      return "environment";
    case Origin::kFlag:
      return "flag";
  }
  return "default";
}

Config ReadConfig(const ConfigInput& input, std::vector<ConfigProblem>& problems) {
  Config config;
  config.origins.assign(kKeys.size(), Origin::kDefault);
  ReadFile(input, config, problems);
  ReadEnvironment(input, config, problems);
  for (const auto& [name, value] : input.flags) {
    const size_t index = FindKey(name);
    const std::string trouble =
        index == kKeys.size() ? "unknown key: " + Printable(name) : Assign(config, index, value, Origin::kFlag);
    if (!trouble.empty()) problems.push_back({false, "--set " + Printable(name), trouble});
  }
  while (!config.server.empty() && config.server.back() == '/') config.server.pop_back();
  if (config.run_dir.empty()) config.run_dir = config.data_dir;
  CheckWords(config, problems);
  return config;
}

bool TokenIsInFile(const Config& config) {
  if (config.token_file.empty()) return false;
  return config.token.empty() || config.origins[FindKey("token_file")] >= config.origins[FindKey("token")];
}

Result<std::vector<ComponentSlots>> ComponentsOf(const Config& config) {
  std::vector<ComponentSlots> list = {{config.component, config.slot_a, config.slot_b}};
  for (const std::string_view word : Split(config.components, ' ')) {
    if (word.empty()) continue;
    const size_t equals = word.find('=');
    const size_t comma = word.find(',');
    if (equals == std::string_view::npos || comma == std::string_view::npos || comma < equals || equals == 0) {
      return Error{ErrorCode::kInvalid, "a component is name=slot_a,slot_b"};
    }
    ComponentSlots entry{std::string(word.substr(0, equals)), std::string(word.substr(equals + 1, comma - equals - 1)),
                         std::string(word.substr(comma + 1))};
    for (const ComponentSlots& other : list) {
      if (other.name == entry.name) return Error{ErrorCode::kInvalid, "a component is named twice"};
    }
    if (entry.slot_a.empty() || entry.slot_b.empty() || entry.slot_a == entry.slot_b) {
      return Error{ErrorCode::kInvalid, "a component has two slots"};
    }
    list.push_back(std::move(entry));
  }
  if (list.size() > AgentState::kMaxComponents) {
    return Error{ErrorCode::kLimit, "too many components", AgentState::kMaxComponents};
  }
  return list;
}

bool HealthRequired(const Config& config) {
  return config.health_required == "yes" || (config.health_required == "auto" && !config.health_dir.empty());
}

void CheckZoneKnown(const Config& config, std::vector<ConfigProblem>& problems) {
  if (!config.timezone.empty()) {
    const Status zone = CheckZone(config.timezone);
    if (!zone.ok()) problems.push_back({false, "timezone", Printable(config.timezone) + ": " + zone.error().what});
  }
}

namespace {

// Users and groups that this system does not know.
void RequireNames(const Config& config, std::vector<ConfigProblem>& problems) {
  const std::string& user = config.download_user;
  // The default's name may be missing: its number is the same everywhere.
  const bool named = !user.empty() && user != "nobody" && !ParseUint(user).ok();
  if (named && getpwnam(user.c_str()) == nullptr) {
    problems.push_back({false, "download_user", "there is no user " + Printable(user)});
  }
  if (!config.lock_group.empty() && getgrnam(config.lock_group.c_str()) == nullptr) {
    problems.push_back({false, "lock_group", "there is no group " + Printable(config.lock_group)});
  }
}

// A file that a setting names and that an exchange with the server needs.
void RequireFile(const char* name, const std::string& path, std::string_view holds,
                 std::vector<ConfigProblem>& problems) {
  if (path.empty()) return;
  const auto text = ReadTextFile(path, 4 << 20);
  if (!text.ok()) {
    problems.push_back({true, name, path + " cannot be read: " + log::Describe(text.error())});
  } else if (text->find(holds) == std::string::npos) {
    problems.push_back({true, name, path + " holds no " + std::string(holds)});
  }
}

// "https://host", "http://[::1]:8443/behind/a/proxy"
std::string ServerTrouble(std::string_view server) {
  const size_t scheme = server.starts_with("http://") ? 7 : server.starts_with("https://") ? 8 : 0;
  if (scheme == 0) return "it must begin with http:// or https://";
  const std::string_view host = server.substr(scheme, server.substr(scheme).find('/'));
  if (host.empty() || host[0] == ':') return "it names no host";
  if (server.find_first_of(" ?#@") != std::string_view::npos) return "it holds more than scheme, host, port and path";
  return "";
}

}  // namespace

void RequireForRun(const Config& config, std::vector<ConfigProblem>& problems) {
  const auto require = [&](const std::string& value, const char* name) {
    if (value.empty()) problems.push_back({true, name, "it is needed and not set"});
  };
  require(config.server, "server");
  require(config.tenant, "tenant");
  require(config.controller_id, "controller_id");
  require(config.board, "board");
  require(config.product, "product");
  require(config.component, "component");
  require(config.slot_a, "slot_a");
  require(config.slot_b, "slot_b");
  require(config.boot_state, "boot_state");
  require(config.data_dir, "data_dir");
  require(config.trusted_root, "trusted_root");
  require(config.reboot, "reboot");
  const std::string trouble = config.server.empty() ? "" : ServerTrouble(config.server);
  if (!trouble.empty()) problems.push_back({true, "server", Printable(config.server) + ": " + trouble});
  RequireNames(config, problems);
  RequireFile("ca_file", config.ca_file, "CERTIFICATE", problems);
  RequireFile("cert_file", config.cert_file, "CERTIFICATE", problems);
  RequireFile("key_file", config.cert_file.empty() ? "" : config.key_file, "PRIVATE KEY", problems);
  if (!config.slot_a.empty() && config.slot_a == config.slot_b) {
    problems.push_back({true, "slot_b", "it names the same file as slot_a"});
  }
}

const std::vector<const char*>& ConfigKeys() {
  static const std::vector<const char*> names = [] {
    std::vector<const char*> out;
    out.reserve(kKeys.size());
    for (const Key& key : kKeys) out.push_back(key.name);
    return out;
  }();
  return names;
}

std::string ConfigValue(const Config& config, size_t key_index) {
  const Key& key = kKeys[key_index];
  if (key.kind != Kind::kText) return std::to_string(config.*key.number);
  const std::string& value = config.*key.text;
  if (key.text == &Config::token && !value.empty()) return "(set)";
  return value;
}

}  // namespace till::device
