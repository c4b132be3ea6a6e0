// Contexts: which hub tillctl talks to, and with what token. Kept in $TILLCTL_CONFIG, else
// $XDG_CONFIG_HOME/tillctl/contexts.json, else ~/.config/tillctl/contexts.json, mode 0600.
//   TILL_URL, TILL_TOKEN and TILL_CA in the environment go before the file (for CI).
#pragma once

#include <string>
#include <vector>

#include "core/result.h"

namespace till::cli {

struct Context {
  std::string name;
  std::string url;
  std::string token;
  std::string ca_file;
};

class ContextFile {
 public:
  // A missing file is an empty one; kCorrupt for a damaged one.
  static Result<ContextFile> Load();
  // Adds or replaces by name; the first one becomes current.
  void Put(Context context);
  Status Use(const std::string& name);     // kNotFound
  Status Remove(const std::string& name);  // kNotFound; the current one leaves none chosen
  const std::vector<Context>& contexts() const { return contexts_; }
  const std::string& current() const { return current_; }
  // kInvalid when the path is something that keeps nothing, as a device.
  Status Save() const;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  std::vector<Context> contexts_;
  std::string current_;
};

// The context to work in: the environment's, the named one, or the current one. kNotFound when there is none.
Result<Context> ChooseContext(const std::string& name);

}  // namespace till::cli
