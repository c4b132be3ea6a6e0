#include <cstdio>

#include "core/json/json.h"
#include "core/text.h"
#include "device/cli/commands.h"
#include "device/doctor.h"
#include "device/faults.h"

namespace till::device {

int ReadStatus(const Arguments& arguments, Setting& setting, json::Value& value) {
  if (const int status = ReadSetting(arguments, false, setting)) return status;
  const std::string path = setting.config.run_dir + "/status.json";
  const auto text = ReadTextFile(path);
  if (!text.ok()) {
    const bool never = text.error().code == ErrorCode::kNotFound;
    return Fail(never ? kNeverRan : kDataFolder, path, &text.error(), 1, arguments.json);
  }
  auto parsed = json::Parse(*text);
  if (!parsed.ok()) return Fail(kDataFolder, path, &parsed.error(), 1, arguments.json);
  value = std::move(*parsed);
  return 0;
}

namespace {

// "T2015" of "T2015 the image is for another board: ...".
std::string CodeOf(const std::string& text) {
  const bool coded = text.size() >= 5 && text[0] == 'T' && ParseUint(text.substr(1, 4)).ok();
  return coded ? text.substr(0, 5) : "";
}

// `when`: " at 2026-...", or nothing.
void PrintLine(const char* what, const std::string& text, const std::string& when, const std::string& mend = "") {
  if (text.empty()) return;
  const std::string code = CodeOf(text);
  printf("%-9s %s%s\n", what, Printable(text).c_str(), Printable(when).c_str());
  if (!mend.empty()) printf("          do: %s\n", Printable(mend).c_str());
  if (!code.empty()) printf("          see docs/errors/%s.md in Tillrace's sources\n", code.c_str());
}

int PrintWhy(const json::Value& value, const json::Value& locks) {
  const json::Value& contact = value["contact"];
  const json::Value& failure = value["last_failure"];
  const std::string& waiting = value["waiting_for"].AsString();
  const std::string& error = value["last_error"].AsString();
  PrintLine("waiting", waiting, "");
  for (const json::Value& lock : locks.items()) {
    PrintLine("lock", lock["reason"].AsString(), ", " + std::to_string(lock["left_s"].AsInteger()) + " s left");
  }
  PrintLine("contact", contact["problem"].AsString(), " since " + contact["since"].AsString(),
            contact["do"].AsString());
  PrintLine("error", error, " at " + value["last_error_time"].AsString());
  if (!failure.is_null()) {
    std::string text = failure["reason"].AsString();
    if (!failure["version"].AsString().empty()) text += " (" + failure["version"].AsString() + ")";
    PrintLine("failed", text, " at " + failure["time"].AsString());
  }
  const bool well = waiting.empty() && locks.items().empty() && contact.is_null() && error.empty() && failure.is_null();
  if (well) printf("nothing went wrong\n");
  return 0;
}

}  // namespace

int StatusCommand(const Arguments& arguments) {
  Setting setting;
  json::Value value;
  if (const int status = ReadStatus(arguments, setting, value)) return status;
  value.Set("locks", HeldLocks(setting.config));
  if (arguments.json) {
    printf("%s\n", json::Write(value).c_str());
    return 0;
  }
  for (const auto& [key, item] : value.members()) {
    printf("%-22s %s\n", key.c_str(),
           item.is_string() ? Printable(item.AsString()).c_str() : json::Write(item).c_str());
  }
  return 0;
}

int WhyCommand(const Arguments& arguments) {
  Setting setting;
  json::Value value;
  if (const int status = ReadStatus(arguments, setting, value)) return status;
  if (arguments.bundle) {
    const auto bundle = ReadTextFile(setting.config.data_dir + "/failure.log");
    if (!bundle.ok()) return Fail(kNeverRan, "nothing failed here", &bundle.error(), 1, arguments.json);
    fputs(bundle->c_str(), stdout);
    return 0;
  }
  json::Value locks = HeldLocks(setting.config);
  if (!arguments.json) return PrintWhy(value, locks);
  json::Value why = json::Value::Object();
  for (const char* key : {"waiting_for", "contact", "last_error", "last_error_time", "last_failure", "last_action"}) {
    if (value.Has(key)) why.Set(key, value[key]);
  }
  why.Set("locks", std::move(locks));
  why.Set("time", value["time"]);
  printf("%s\n", json::Write(why).c_str());
  return 0;
}

int ConfigCommand(const Arguments& arguments) {
  if (arguments.words != std::vector<std::string>{"show"}) {
    return Fail(kUsage, "tilld config show", nullptr, 2, arguments.json);
  }
  Setting setting;
  if (const int status = ReadSetting(arguments, false, setting)) return status;
  json::Value all = json::Value::Object();
  for (size_t i = 0; i < ConfigKeys().size(); i++) {
    const std::string value = ConfigValue(setting.config, i);
    const char* origin = OriginName(setting.config.origins[i]);
    if (arguments.json) {
      json::Value entry = json::Value::Object();
      entry.Set("value", value);
      entry.Set("origin", origin);
      all.Set(ConfigKeys()[i], std::move(entry));
    } else if (arguments.origin) {
      printf("%-18s %-12s %s\n", ConfigKeys()[i], origin, value.c_str());
    } else {
      printf("%s = %s\n", ConfigKeys()[i], value.c_str());
    }
  }
  if (arguments.json) printf("%s\n", json::Write(all).c_str());
  return 0;
}

namespace {

void PrintFinding(const Finding& finding, bool as_json) {
  if (!as_json) {
    printf(" %s %s\n", finding.ok ? "ok  " : "FAIL", Printable(finding.text).c_str());
    if (finding.fault) printf("      do: %s\n", finding.fault->mend);
    return;
  }
  json::Value entry = json::Value::Object();
  entry.Set("ok", finding.ok);
  entry.Set("text", finding.text);
  if (finding.fault) entry.Set("code", finding.fault->code);
  printf("%s\n", json::Write(entry).c_str());
}

}  // namespace

// Whatever is wrong with the settings, the rest is looked at all the same: who mends one thing wants to know of all.
int DoctorCommand(const Arguments& arguments) {
  Setting setting;
  std::vector<ConfigProblem> problems;
  if (const int status = LoadSetting(arguments, true, setting, problems)) return status;
  const Config& config = setting.config;
  std::vector<Finding> findings;
  for (const ConfigProblem& problem : problems) {
    const Fault& fault = problem.incomplete ? kConfigIncomplete : kBadConfigLine;
    findings.push_back(Failing(fault, problem.where + ": " + problem.what));
  }
  auto parts = OpenParts(config);
  const auto running = RunningSlot(arguments, config);
  if (!parts.ok()) findings.push_back(Failing(kDataFolder, config.data_dir + ": " + log::Describe(parts.error())));
  if (!running.ok())
    findings.push_back(Failing(kBootRecord, config.boot_state + ": " + log::Describe(running.error())));
  const DoctorInput input{config, setting.token, running.ok() ? *running : SlotId::kA, arguments.offline};
  for (Finding& finding : Examine(input, parts.ok() ? std::move(*parts) : Parts()))
    findings.push_back(std::move(finding));
  bool well = true;
  for (const Finding& finding : findings) {
    well = well && finding.ok;
    PrintFinding(finding, arguments.json);
  }
  return well ? 0 : 1;
}

}  // namespace till::device
