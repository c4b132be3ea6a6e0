// tilld's configuration: `key = value` lines, '#' comments; or the same keys as UCI options (`config tilld 'main'`,
// `option key 'value'`, `list key 'value'` for values of several words). Order of origin: flag, environment
// (TILLD_<KEY>), file, default. A line that is not understood stops the program: a terminal must not run with half of
// its settings.
//   Bounds: file 64 KiB, one value 1024 bytes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"

namespace till::device {

enum class Origin : uint8_t { kDefault, kFile, kEnvironment, kFlag };
const char* OriginName(Origin origin);

struct Config {
  uint64_t enabled = 1;  // read by the service's script: 0 = not started
  std::string server;    // "https://ota.example": scheme, host, port
  std::string tenant = "DEFAULT";
  std::string controller_id;
  std::string token;       // the target token
  std::string token_file;  // or the file that holds it
  std::string ca_file;
  std::string cert_file;  // this terminal's certificate, PEM; "" = token alone
  std::string key_file;   // its key, 0600
  std::string data_dir = "/var/lib/tilld";
  std::string run_dir;  // status.json and locks; "" = data_dir. In memory (/var/run) it spares the flash
  std::string board;    // the hardware id, compared exactly
  std::string product;
  std::string component = "rootfs";  // the one that boots
  std::string components;            // others, each with its slots: "app=/dev/mtd8,/dev/mtd9 kernel=..."
  std::string slot_a;
  std::string slot_b;
  std::string boot_state;    // a file, or an MTD partition of two erase sectors
  std::string journal;       // the same; "" = data_dir/journal
  std::string trusted_root;  // root.json of the repository, as it came with the terminal
  std::string health_dir;    // "" = no checks
  std::string reboot = "exit";
  std::string download_user = "nobody";       // who downloads, when tilld runs as root
  std::string hooks_dir;                      // pre-install, post-install, pre-switch, consent, post-confirm, ...
  std::string pstore_dir = "/sys/fs/pstore";  // the kernel's last words
  std::string window;                         // when it may restart, local time: "mon-fri 22:00-04:00"; "" = always
  std::string download_window;                // when it may download; "" = always
  std::string timezone;                       // as TZ: "CET-1CEST,M3.5.0,M10.5.0/3"; "" = the system's
  std::string consent = "none";               // ask: restart only after the merchant's word
  std::string full_fallback = "server";       // a full payload for a failed delta: never, server (as it says), always
  uint64_t data_budget = 0;                   // payload bytes a month, 0 = none
  uint64_t consent_patience_s = 7 * 86400;    // after this it restarts without an answer; 0 = never
  uint64_t defer_s = 4 * 3600;                // how long "later" is
  uint64_t hook_deadline_s = 60;
  uint64_t lock_max_s = 3600;        // the longest app lock
  uint64_t bundle_bytes = 16 << 10;  // of data_dir/failure.log
  // Whether an image is confirmed though no check has seen it: no, yes, or auto (yes where health_dir is set).
  std::string health_required = "auto";
  std::string lock_group;  // whose members may take `tilld lock`; "" = this user alone
  uint64_t health_deadline_s = 60;
  uint64_t rate_limit = 0;   // bytes per second, 0 = none
  uint64_t arena = 8 << 20;  // bytes the applier may take
  uint64_t poll_s = 0;       // 0 = as the server says
  uint64_t poll_min_s = 1;   // never more often than this
  uint64_t tries = 3;        // boots a new image gets

  std::vector<Origin> origins;         // by the order of keys()
  std::vector<std::string> old_names;  // TILL_... variables of the environment that counted, for a warning
};

// A component and where its two slots are.
struct ComponentSlots {
  std::string name, slot_a, slot_b;
};
// The one that boots first. kInvalid, kLimit (4 in all).
Result<std::vector<ComponentSlots>> ComponentsOf(const Config& config);

// One problem with the configuration, for a person.
struct ConfigProblem {
  bool incomplete = false;  // T2003, otherwise T2002
  std::string where;        // "tilld.conf:7" or "TILLD_ARENA"
  std::string what;
};

struct ConfigInput {
  std::string file_name;
  std::string file_text;
  std::vector<std::pair<std::string, std::string>> environment;  // "TILLD_..." and "TILL_..." variables
  std::vector<std::pair<std::string, std::string>> flags;        // key, value
};

// Reads all of it; `problems` holds every bad line. Pure but for token_file, which is the caller's to read.
Config ReadConfig(const ConfigInput& input, std::vector<ConfigProblem>& problems);
// True when the token is in token_file, false when `token` counts: the stronger origin of both.
bool TokenIsInFile(const Config& config);
// Whether an image that no health check has seen goes back.
bool HealthRequired(const Config& config);
// Whether this system knows the zone. Reads the file system.
void CheckZoneKnown(const Config& config, std::vector<ConfigProblem>& problems);
// What is missing for `tilld run`: settings, and the files, users and groups that they name.
void RequireForRun(const Config& config, std::vector<ConfigProblem>& problems);

// Names of all keys, in their order, and a key's value as text (secrets are shown as "(set)").
const std::vector<const char*>& ConfigKeys();
std::string ConfigValue(const Config& config, size_t key_index);

}  // namespace till::device
