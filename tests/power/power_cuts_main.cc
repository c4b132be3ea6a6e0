// power_cuts: the power-cut proof, one line of JSON per kind of installation (tests/power/README.md).
// covers F01 F02 F03 F07 F08 S18
#include <getopt.h>
#include <malloc.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>
#include <thread>
#include <vector>

#include "core/json/json.h"
#include "core/log.h"
#include "core/text.h"
#include "tests/power/explore.h"

namespace till::power {
namespace {

constexpr char kHelp[] =
    "power_cuts [--tier commit|tiny|long] [--kind KIND] [--jobs N] [--sabotage NAME] [--stride N] [--at N]\n"
    "\n"
    "  --tier commit  1 MiB slots: every operation x 4 tears, every 32nd cut with a second one at a random place of "
    "its\n"
    "                 recovery; and tiny, one of four tears by turns for its second cuts\n"
    "  --tier tiny    64 KiB of flash: every cut, and every second cut of every recovery; confirm to depth 3\n"
    "  --tier long    28 MiB slots: every 499th operation (confirm: every) x 4 tears, every second one with another "
    "cut\n"
    "  --kind KIND    full delta resume app-only fallback rollback confirm crash; chunks only when it is named\n"
    "  --at N         cut first at operation N alone (with one --tier and --kind): what a `reason` names\n"
    "  --sabotage N   a fault on purpose (sabotage.h): the proof must fail\n";

struct Arguments {
  std::string tier = "commit";
  std::string kind;
  std::string sabotage;
  unsigned jobs = std::thread::hardware_concurrency() + 1;  // checks of health are waited for
  uint64_t stride = 0;
  uint64_t at = UINT64_MAX;
};

struct Task {
  std::string kind;
  const Geometry* geometry;
  ExploreOptions options;
};

std::string MakeDataDir() {
  // Memory, when there is some: the agent's own file is not what is measured here.
  const bool memory = access("/dev/shm", W_OK) == 0;
  std::string pattern = std::string(memory ? "/dev/shm" : "/tmp") + "/till-power-XXXXXX";
  if (mkdtemp(pattern.data()) == nullptr) abort();
  // The status file is for people: a folder in its place spares its writing.
  std::filesystem::create_directory(pattern + "/status.json.new");
  return pattern;
}

json::Value ToJson(const Tally& t) {
  json::Value out = json::Value::Object();
  out.Set("ops", t.ops);
  out.Set("cuts", t.cuts);
  out.Set("nested", t.nested);
  out.Set("not_bootable", t.not_bootable);
  out.Set("unverified_boots", t.unverified_boots);
  out.Set("redownloaded_bytes", t.redownloaded_bytes);
  out.Set("redownload_limit_passed", t.redownload_limit_passed);
  out.Set("operator_needed", t.operator_needed);
  out.Set("floor_ahead", t.floor_ahead);
  out.Set("boots", t.boots);
  out.Set("slot_wear", t.slot_wear);
  out.Set("boot_wear", t.boot_wear);
  out.Set("journal_wear", t.journal_wear);
  if (!t.reason.empty()) out.Set("reason", t.reason);
  return out;
}

Tally FromJson(const json::Value& v) {
  const auto number = [&](const char* key) { return static_cast<uint64_t>(v[key].AsInteger()); };
  Tally t;
  t.ops = number("ops");
  t.cuts = number("cuts");
  t.nested = number("nested");
  t.not_bootable = number("not_bootable");
  t.unverified_boots = number("unverified_boots");
  t.redownloaded_bytes = number("redownloaded_bytes");
  t.redownload_limit_passed = number("redownload_limit_passed");
  t.operator_needed = number("operator_needed");
  t.floor_ahead = number("floor_ahead");
  t.boots = number("boots");
  t.slot_wear = number("slot_wear");
  t.boot_wear = number("boot_wear");
  t.journal_wear = number("journal_wear");
  t.reason = v["reason"].AsString();
  return t;
}

// In a process of its own: the agent has one data folder per process, and a crash is a finding, not the end.
Tally RunTask(Task task, const std::string& sabotage) {
  task.options.data_dir = MakeDataDir();
  Scenario scenario = MakeScenario(task.kind, *task.geometry, task.options.data_dir, sabotage);
  scenario.may_fall_back = task.options.depth > 2;
  Tally tally = Explore(scenario, task.options);
  std::filesystem::remove_all(task.options.data_dir);
  return tally;
}

struct Child {
  pid_t pid;
  int reader;
  std::string kind;
  bool first_geometry;  // of its tier
};

Child Start(const Task& task, const Arguments& arguments) {
  int ends[2];
  if (pipe(ends) != 0) abort();
  const pid_t pid = fork();
  if (pid < 0) abort();
  if (pid == 0) {
    close(ends[0]);
    const std::string text = json::Write(ToJson(RunTask(task, arguments.sabotage)));
    const bool told = write(ends[1], text.data(), text.size()) == static_cast<ssize_t>(text.size());
    _exit(told ? 0 : 1);
  }
  close(ends[1]);
  return {pid, ends[0], task.kind, arguments.tier != "commit" || task.geometry != &kTiny};
}

Tally Collect(const Child& child) {
  std::string text;
  char buffer[4096];
  for (ssize_t got; (got = read(child.reader, buffer, sizeof(buffer))) > 0;)
    text.append(buffer, static_cast<size_t>(got));
  close(child.reader);
  const auto value = json::Parse(text);
  if (value.ok()) return FromJson(*value);
  Tally tally;
  tally.operator_needed = 1;
  tally.reason = "the proof itself crashed";
  return tally;
}

// The tasks of one kind; the first is the one whose operations and wear are told.
std::vector<Task> TasksOf(const Arguments& arguments, const std::string& kind) {
  std::vector<Task> tasks;
  const auto add = [&](const Geometry& geometry, ExploreOptions options) {
    options.shards = 4;
    options.only_at = arguments.at;
    if (arguments.stride > 0) options.stride = arguments.stride;
    for (options.shard = 0; options.shard < options.shards; options.shard++) {
      tasks.push_back({kind, &geometry, options});
    }
  };
  // (A crash is a rollback without health checks: the small model is enough for every commit.)
  if (arguments.tier == "commit" && kind != "crash") add(kOneMiB, {.random_nested_every = 32});
  const bool confirm = kind == "confirm";  // few operations, each matters
  if (arguments.tier == "long") add(kReal, {.stride = confirm ? 1u : 499u, .random_nested_every = 2});
  if (arguments.tier == "commit") add(kTiny, {.depth = confirm ? 3u : 2u, .nested_tears_by_turns = true});
  if (arguments.tier == "tiny") add(kTiny, {.depth = confirm ? 3u : 2u});
  return tasks;
}

struct KindResult {
  Tally tally;
  size_t tasks_left = 0;
  bool told = false;
};

// What a child found, into its kind's figures: of the small model all cuts count as nested ones.
void Merge(const Child& child, KindResult& result) {
  Tally tally = Collect(child);
  if (!child.first_geometry) {
    tally.nested += tally.cuts;
    tally.cuts = tally.ops = tally.slot_wear = tally.boot_wear = tally.journal_wear = 0;
  }
  result.tally.Add(tally);
  result.tasks_left--;
}

void Tell(const std::string& kind, const Tally& tally) {
  json::Value line = json::Value::Object();
  line.Set("kind", kind);
  const json::Value figures = ToJson(tally);
  for (const auto& [key, value] : figures.members()) line.Set(key, value);
  printf("%s\n", json::Write(line).c_str());
  fflush(stdout);
}

// Waits for one child to end and takes its figures.
void Reap(std::vector<Child>& children, std::map<std::string, KindResult>& results) {
  int status = 0;
  const pid_t pid = waitpid(-1, &status, 0);
  const auto child = std::find_if(children.begin(), children.end(), [&](const Child& c) { return c.pid == pid; });
  if (child == children.end()) return;
  Merge(*child, results[child->kind]);
  children.erase(child);
}

int Run(const Arguments& arguments) {
  const auto began = std::chrono::steady_clock::now();
  std::map<std::string, KindResult> results;
  std::vector<Task> tasks;
  for (const std::string& kind : Kinds()) {
    // Chunks are a test of their own: their many small writes cost as much as all other kinds together.
    if (arguments.kind.empty() ? kind == "chunks" : arguments.kind != kind) continue;
    const std::vector<Task> of_kind = TasksOf(arguments, kind);
    results[kind].tasks_left = of_kind.size();
    tasks.insert(tasks.end(), of_kind.begin(), of_kind.end());
  }
  std::vector<Child> children;
  uint64_t cuts = 0, nested = 0;
  bool good = !tasks.empty();
  for (size_t next = 0; next < tasks.size() || !children.empty();) {
    if (next < tasks.size() && children.size() < std::max(1u, arguments.jobs)) {
      children.push_back(Start(tasks[next++], arguments));
      continue;
    }
    Reap(children, results);
    for (auto& [kind, result] : results) {
      if (result.tasks_left > 0 || result.told) continue;
      result.told = true;
      Tell(kind, result.tally);
      cuts += result.tally.cuts;
      nested += result.tally.nested;
      good = good && result.tally.good();
    }
  }
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now() - began);
  fprintf(stderr, "power_cuts --tier %s: %llu cuts, %llu nested, %lld s: %s\n", arguments.tier.c_str(),
          static_cast<unsigned long long>(cuts), static_cast<unsigned long long>(nested),
          static_cast<long long>(seconds.count()), good ? "every one came back" : "FAILED");
  return good ? 0 : 1;
}

int Main(int argc, char** argv) {
  Arguments arguments;
  static const option kOptions[] = {
      {"tier", required_argument, nullptr, 't'},   {"kind", required_argument, nullptr, 'k'},
      {"jobs", required_argument, nullptr, 'j'},   {"sabotage", required_argument, nullptr, 's'},
      {"stride", required_argument, nullptr, 'n'}, {"at", required_argument, nullptr, 'a'},
      {"help", no_argument, nullptr, 'h'},         {nullptr, 0, nullptr, 0}};
  for (int c; (c = getopt_long(argc, argv, "h", kOptions, nullptr)) != -1;) {
    if (c == 't') arguments.tier = optarg;
    if (c == 'k') arguments.kind = optarg;
    if (c == 'j') arguments.jobs = static_cast<unsigned>(strtoul(optarg, nullptr, 10));
    if (c == 's') arguments.sabotage = optarg;
    if (c == 'n') arguments.stride = strtoull(optarg, nullptr, 10);
    if (c == 'a') arguments.at = strtoull(optarg, nullptr, 10);
    if (c == 'h') return fputs(kHelp, stdout), 0;
    if (c == '?') return fputs(kHelp, stderr), 2;
  }
  // Each installation takes its arena and gives it back: kept, not fetched from the kernel and blanked every time.
  mallopt(M_MMAP_THRESHOLD, 32 << 20);
  mallopt(M_TRIM_THRESHOLD, 256 << 20);
  log::Configure("power_cuts", getenv("POWER_VERBOSE") != nullptr ? log::Level::kDebug : log::Level::kError,
                 log::Format::kText);
  return Run(arguments);
}

}  // namespace
}  // namespace till::power

int main(int argc, char** argv) { return till::power::Main(argc, argv); }
