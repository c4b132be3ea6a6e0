#include "device/config.h"

#include <array>

#include "core/text.h"

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
    Text("server", &Config::server),
    Text("tenant", &Config::tenant),
    Text("controller_id", &Config::controller_id),
    Text("token", &Config::token),
    Text("token_file", &Config::token_file),
    Text("ca_file", &Config::ca_file),
    Text("data_dir", &Config::data_dir),
    Text("board", &Config::board),
    Text("product", &Config::product),
    Text("component", &Config::component),
    Text("slot_a", &Config::slot_a),
    Text("slot_b", &Config::slot_b),
    Text("boot_state", &Config::boot_state),
    Text("journal", &Config::journal),
    Text("trusted_root", &Config::trusted_root),
    Text("health_dir", &Config::health_dir),
    Text("reboot", &Config::reboot),
    Text("download_user", &Config::download_user),
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

void ReadFile(const ConfigInput& input, Config& config, std::vector<ConfigProblem>& problems) {
  std::array<bool, kKeys.size()> seen{};
  size_t number = 0;
  for (const std::string_view raw : Split(input.file_text, '\n')) {
    number++;
    const std::string where = input.file_name + ":" + std::to_string(number);
    const std::string_view line = Trim(raw);
    if (line.empty() || line[0] == '#') continue;
    const size_t equals = line.find('=');
    if (equals == std::string_view::npos) {
      problems.push_back({false, where, "there is no '=' in: " + Printable(line.substr(0, 80))});
      continue;
    }
    const std::string_view name = Trim(line.substr(0, equals));
    const size_t index = FindKey(name);
    std::string trouble;
    if (index == kKeys.size()) {
      trouble = "unknown key: " + Printable(name.substr(0, 80));
    } else if (seen[index]) {
      trouble = std::string(name) + " is set twice";
    } else {
      seen[index] = true;
      trouble = Assign(config, index, Trim(line.substr(equals + 1)), Origin::kFile);
    }
    if (!trouble.empty()) problems.push_back({false, where, trouble});
  }
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
  return config;
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
