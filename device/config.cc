#include "device/config.h"

#include <array>

#include "core/text.h"
#include "device/agent_state.h"
#include "device/gates.h"

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

void CheckWords(const Config& config, std::vector<ConfigProblem>& problems) {
  const auto one_of = [&](const char* name, const std::string& value, std::initializer_list<const char*> words) {
    for (const char* word : words) {
      if (value == word) return;
    }
    problems.push_back({false, name, "it cannot be: " + Printable(value)});
  };
  one_of("consent", config.consent, {"none", "ask"});
  one_of("full_fallback", config.full_fallback, {"never", "server", "always"});
  const auto spans = [&](const char* name, const std::string& value) {
    const auto parsed = ParseWindow(value);
    if (!parsed.ok()) problems.push_back({false, name, std::string(parsed.error().what) + ": " + Printable(value)});
  };
  spans("window", config.window);
  spans("download_window", config.download_window);
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
  for (const auto& [variable, value] : input.environment) {
    const size_t index = FindKey(ToLower(std::string_view(variable).substr(5)));  // behind "TILL_"
    if (index == kKeys.size()) continue;                                          // TILL_ variables of other programs
    const std::string trouble = Assign(config, index, value, Origin::kEnvironment);
    if (!trouble.empty()) problems.push_back({false, variable, trouble});
  }
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
  if (!config.server.empty() && !config.server.starts_with("http://") && !config.server.starts_with("https://")) {
    problems.push_back({true, "server", "it must begin with http:// or https://"});
  }
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
