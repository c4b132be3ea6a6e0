#include "server/cli/context.h"

#include <cstdlib>
#include <filesystem>

#include "core/json/json.h"
#include "core/output_file.h"

namespace till::cli {
namespace {

std::string Environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::string ContextPath() {
  std::string path = Environment("TILLCTL_CONFIG");
  if (!path.empty()) return path;
  std::string base = Environment("XDG_CONFIG_HOME");
  if (base.empty()) base = Environment("HOME") + "/.config";
  return base + "/tillctl/contexts.json";
}

}  // namespace

Result<ContextFile> ContextFile::Load() {
  ContextFile file;
  file.path_ = ContextPath();
  const Result<std::string> text = ReadTextFile(file.path_);
  if (!text.ok() && text.error().code == ErrorCode::kNotFound) return file;
  if (!text.ok()) return text.error();
  const json::Value value = TILL_TRY(json::Parse(*text));
  file.current_ = value["current"].AsString();
  for (const json::Value& entry : value["contexts"].items()) {
    file.contexts_.push_back(
        {entry["name"].AsString(), entry["url"].AsString(), entry["token"].AsString(), entry["ca_file"].AsString()});
  }
  return file;
}

void ContextFile::Put(Context context) {
  if (contexts_.empty()) current_ = context.name;
  for (Context& known : contexts_) {
    if (known.name == context.name) {
      known = std::move(context);
      return;
    }
  }
  contexts_.push_back(std::move(context));
}

Status ContextFile::Use(const std::string& name) {
  for (const Context& context : contexts_) {
    if (context.name != name) continue;
    current_ = name;
    return Ok();
  }
  return Error{ErrorCode::kNotFound, "no context of that name"};
}

Status ContextFile::Remove(const std::string& name) {
  const auto is_it = [&](const Context& context) { return context.name == name; };
  if (std::erase_if(contexts_, is_it) == 0) return Error{ErrorCode::kNotFound, "no context of that name"};
  if (current_ == name) current_.clear();
  return Ok();
}

Status ContextFile::Save() const {
  json::Value entries = json::Value::Array();
  for (const Context& context : contexts_) {
    json::Value entry = json::Value::Object();
    entry.Set("name", context.name).Set("url", context.url).Set("token", context.token).Set("ca_file", context.ca_file);
    entries.Append(entry);
  }
  json::Value value = json::Value::Object();
  value.Set("current", current_).Set("contexts", entries);
  const size_t slash = path_.rfind('/');
  if (slash != std::string::npos && slash > 0) TILL_TRY(MakeFolders(path_.substr(0, slash)));
  std::error_code unknown;
  if (std::filesystem::exists(path_, unknown) && !std::filesystem::is_regular_file(path_, unknown))
    return Error{ErrorCode::kInvalid, "not a file: nothing is kept there"};
  return WriteOutput(path_, AsBytes(json::WritePretty(value) + "\n"), 0600);
}

Result<Context> ChooseContext(const std::string& name) {
  if (const std::string url = Environment("TILL_URL"); name.empty() && !url.empty()) {
    return Context{"environment", url, Environment("TILL_TOKEN"), Environment("TILL_CA")};
  }
  const ContextFile file = TILL_TRY(ContextFile::Load());
  const std::string& wanted = name.empty() ? file.current() : name;
  for (const Context& context : file.contexts()) {
    if (context.name == wanted) return context;
  }
  return Error{ErrorCode::kNotFound, wanted.empty() ? "no context is the current one" : "no context of that name"};
}

}  // namespace till::cli
