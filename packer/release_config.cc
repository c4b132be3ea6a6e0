#include "packer/release_config.h"

#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <initializer_list>

#include "core/file.h"
#include "core/text.h"

namespace till::packer {
namespace {

class ConfigReader {
 public:
  ConfigReader(std::string path, ConfigFault& fault)
      : path_(std::move(path)), folder_(std::filesystem::path(path_).parent_path().string()), fault_(fault) {
    if (folder_.empty()) folder_ = ".";
  }

  Result<ReleaseConfig> Read(const toml::table& file) {
    TILL_TRY(AllowOnly(file, "", {"product", "image", "delta", "sign", "release", "server"}));
    for (const auto& [key, value] : file) {  // another kind of value would be passed over below
      if (!value.is_table()) return Wrong("[" + std::string(key.str()) + "]", "must be a section");
    }
    TILL_TRY(ReadProduct(file["product"].as_table()));
    TILL_TRY(ReadImages(file["image"].as_table()));
    TILL_TRY(ReadDelta(file["delta"].as_table()));
    TILL_TRY(ReadPlaces(file));
    return std::move(config_);
  }

 private:
  Error Wrong(const std::string& where, std::string what) {
    fault_ = {path_ + ": " + where, std::move(what)};
    return Error{ErrorCode::kInvalid, "the release configuration is not usable"};
  }

  Status AllowOnly(const toml::table& table, const std::string& section,
                   std::initializer_list<std::string_view> known) {
    for (const auto& [key, value] : table) {
      if (std::find(known.begin(), known.end(), key.str()) != known.end()) continue;
      const std::string name =
          section.empty() ? "[" + std::string(key.str()) + "]" : "[" + section + "] " + std::string(key.str());
      return Wrong("line " + std::to_string(value.source().begin.line) + ", " + name, "is no key that tillpack knows");
    }
    return Ok();
  }

  Result<std::string> Text(const toml::table& table, std::string_view section, std::string_view key,
                           std::string otherwise) {
    const toml::node* node = table.get(key);
    if (node == nullptr) return otherwise;
    if (const auto* text = node->as_string()) return text->get();
    return Wrong("[" + std::string(section) + "] " + std::string(key), "must be a text in quotes");
  }

  Status ReadProduct(const toml::table* table) {
    if (table == nullptr) return Wrong("[product]", "is missing");
    TILL_TRY(AllowOnly(*table, "product", {"name", "board"}));
    config_.product = TILL_TRY(Text(*table, "product", "name", ""));
    if (!IsSafeName(config_.product)) return Wrong("[product] name", std::string("must be ") + kSafeNameRule);
    const toml::array* boards = (*table)["board"].as_array();
    if (boards == nullptr || boards->empty() || boards->size() > 16) {
      return Wrong("[product] board", "must list 1 to 16 exact hardware ids, as in board = [\"acme,pos-100\"]");
    }
    for (const toml::node& board : *boards) {
      const auto* text = board.as_string();
      if (text == nullptr || text->get().empty() || text->get().size() > 64)
        return Wrong("[product] board", "holds something that is no hardware id");
      config_.boards.push_back(text->get());
    }
    return Ok();
  }

  Status ReadImages(const toml::table* table) {
    if (table == nullptr || table->empty() || table->size() > 8)
      return Wrong("[image.<name>]", "must stand 1 to 8 times");
    for (const auto& [key, value] : *table) {
      const std::string section = "image." + std::string(key.str());
      const toml::table* image = value.as_table();
      if (image == nullptr) return Wrong("[" + section + "]", "must be a section");
      if (!IsSafeName(key.str())) return Wrong("[" + section + "]", "has a name that cannot be part of a path");
      TILL_TRY(AllowOnly(*image, section, {"file", "slot"}));
      ImageConfig entry;
      entry.component = key.str();
      entry.file = TILL_TRY(Text(*image, section, "file", ""));
      if (entry.file.empty()) return Wrong("[" + section + "] file", "is missing");
      entry.file = Placed(entry.file);
      entry.slot_class = TILL_TRY(Text(*image, section, "slot", entry.component));
      if (!IsSafeName(entry.slot_class))
        return Wrong("[" + section + "] slot", std::string("must be ") + kSafeNameRule);
      config_.images.push_back(std::move(entry));
    }
    return Ok();
  }

  Status ReadDelta(const toml::table* table) {
    const toml::table empty;
    const toml::table& delta = table == nullptr ? empty : *table;
    TILL_TRY(AllowOnly(delta, "delta", {"from", "profile", "keep_if", "chunks"}));
    TILL_TRY(ReadBases(TILL_TRY(Text(delta, "delta", "from", "all"))));
    const std::string profile = TILL_TRY(Text(delta, "delta", "profile", "mt7688-64m"));
    config_.profile = delta::FindProfile(profile);
    if (config_.profile == nullptr) {
      return Wrong("[delta] profile", "\"" + profile + "\" is none of " + std::string(delta::ProfileNames()));
    }
    if (const toml::node* chunks = delta.get("chunks")) {
      if (!chunks->is_boolean()) return Wrong("[delta] chunks", "must be true or false");
      config_.chunks = chunks->as_boolean()->get();
    }
    return ReadKeepIf(TILL_TRY(Text(delta, "delta", "keep_if", "delta < 0.7 * full")));
  }

  Status ReadBases(const std::string& from) {
    if (from == "all") return Ok();
    if (from == "deployed") {
      config_.bases.kind = BaseChoice::Kind::kDeployed;
      return Ok();
    }
    const size_t equals = from.find('=');
    const std::string kind = from.substr(0, equals);
    const std::string_view rest = equals == std::string::npos ? "" : std::string_view(from).substr(equals + 1);
    if (kind == "last" && ParseUint(rest).ok() && *ParseUint(rest) >= 1 && *ParseUint(rest) <= 100) {
      config_.bases = {BaseChoice::Kind::kLast, static_cast<unsigned>(*ParseUint(rest)), {}};
      return Ok();
    }
    if (kind == "versions" && !rest.empty()) {
      config_.bases.kind = BaseChoice::Kind::kVersions;
      for (const std::string_view version : Split(rest, ',')) config_.bases.versions.emplace_back(Trim(version));
      if (std::ranges::all_of(config_.bases.versions, IsVersionName)) return Ok();
    }
    return Wrong("[delta] from", "must be \"all\", \"deployed\", \"last=N\" (1 to 100) or \"versions=1.0.0,1.1.0\"");
  }

  // Only the one form is understood: "delta < 0.7 * full".
  Status ReadKeepIf(const std::string& rule) {
    double share = 0;
    int end = 0;
    const bool parsed = std::sscanf(rule.c_str(), " delta < %lf * full %n", &share, &end) == 1;
    if (!parsed || static_cast<size_t>(end) != rule.size() || !(share > 0 && share <= 10)) {
      return Wrong("[delta] keep_if", "must read like \"delta < 0.7 * full\"");
    }
    config_.keep_permille = static_cast<unsigned>(std::lround(share * 1000));
    return Ok();
  }

  Status ReadPlaces(const toml::table& file) {
    const toml::table empty;
    const auto section = [&](const char* name) -> const toml::table& {
      const toml::table* table = file[name].as_table();
      return table == nullptr ? empty : *table;
    };
    TILL_TRY(AllowOnly(section("sign"), "sign", {"keys"}));
    const char* from_environment = std::getenv("TILL_KEYS");
    std::string keys =
        TILL_TRY(Text(section("sign"), "sign", "keys", from_environment == nullptr ? "keys" : from_environment));
    if (keys.rfind("pkcs11:", 0) == 0)
      return Wrong("[sign] keys", "PKCS#11 tokens are not supported yet: give a folder");
    config_.keys_folder = Placed(keys);
    TILL_TRY(AllowOnly(section("release"), "release", {"out", "rollback_index"}));
    config_.out_folder = Placed(TILL_TRY(Text(section("release"), "release", "out", "out")));
    if (const toml::node* index = section("release").get("rollback_index")) {
      const auto* number = index->as_integer();
      if (number == nullptr || number->get() < 0 || number->get() > INT32_MAX)
        return Wrong("[release] rollback_index", "must be a whole number from 0 on");
      config_.rollback_index = static_cast<uint64_t>(number->get());
    }
    TILL_TRY(AllowOnly(section("server"), "server", {"url"}));
    config_.server_url = TILL_TRY(Text(section("server"), "server", "url", ""));
    if (!config_.server_url.empty() && !IsServerUrl(config_.server_url)) {
      return Wrong("[server] url", "must read like https://host or http://host:port");
    }
    return Ok();
  }

  std::string Placed(const std::string& path) const {
    return (std::filesystem::path(folder_) / path).lexically_normal().string();
  }

  std::string path_;
  std::string folder_;
  ConfigFault& fault_;
  ReleaseConfig config_;
};

}  // namespace

Result<ReleaseConfig> LoadReleaseConfig(const std::string& path, ConfigFault& fault) {
  fault = {path, "cannot be read"};
  const std::string text = TILL_TRY(ReadTextFile(path, 64 * 1024));
  const toml::parse_result parsed = toml::parse(text, path);
  if (!parsed) {
    const auto& error = parsed.error();
    fault = {path + ":" + std::to_string(error.source().begin.line), std::string(error.description())};
    return Error{ErrorCode::kInvalid, "the release configuration is no TOML", error.source().begin.line};
  }
  return ConfigReader(path, fault).Read(parsed.table());
}

bool IsSafeName(std::string_view name) {
  if (name.empty() || name.size() > 64 || name[0] == '.') return false;
  for (const char c : name) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    const bool digit = c >= '0' && c <= '9';
    if (!letter && !digit && c != '.' && c != '-' && c != '_' && c != '+') return false;
  }
  return true;
}

bool IsVersionName(std::string_view name) {
  return IsSafeName(name) && name != "tuf" && name != "tuf.old" && name != "tuf.hub" && name != "release.tuf" &&
         name != "withdrawn.json" && !name.ends_with(".new");
}

}  // namespace till::packer
