#include "server/cli/demo/stage.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/file.h"
#include "core/text.h"

namespace till::cli::demo {
namespace {

constexpr const char* kProduct = "demo-pos";
constexpr const char* kBoard = "acme,pos-100";
constexpr uint64_t kKiB = 1024;
// How long the delta takes over a shop's link, dealt out in turn: long enough to cut the power in the middle of it, and
// short enough for two minutes. A delta may be 100 KB or 10 MB, so the links are made to fit.
constexpr uint64_t kDownloadSeconds[] = {14, 12, 10, 8};
constexpr uint64_t kSlowestLink = 4 * kKiB;  // bytes a second
constexpr std::string_view kBrokenMark = "TILLRACE-DEMO-BROKEN-IMAGE";

// What must hold before an image is confirmed. The till's own application is asked where the image has one; an image
// of the visitor's own is bad when the demo has marked it so.
constexpr std::string_view kHealthCheck = R"(#!/bin/sh
# pos-app: the till's application in the running image must pass its own self-test.
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT
if tail -c 131072 "$TILL_SLOT_IMAGE" | grep -qa TILLRACE-DEMO-BROKEN-IMAGE; then
  echo "pos-app does not start" >&2
  exit 1
fi
if unsquashfs -cat "$TILL_SLOT_IMAGE" usr/bin/pos-app >"$work/pos-app" 2>/dev/null && [ -s "$work/pos-app" ]; then
  sh "$work/pos-app" --selftest
fi
)";

Result<std::string> OwnFolder() {
  char path[4096];
  const ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
  if (length <= 0) return SystemError("cannot tell where the programs are");
  const std::string self(path, static_cast<size_t>(length));
  return self.substr(0, self.rfind('/'));
}

Result<std::string> NewFolder() {
  const char* base = getenv("TMPDIR");
  std::string path = std::string(base == nullptr ? "/tmp" : base) + "/tillrace-demo-XXXXXX";
  if (mkdtemp(path.data()) == nullptr) return SystemError("cannot make the demo's folder");
  return path;
}

Status CopyFile(const std::string& from, const std::string& to, std::string_view trailer) {
  FileSource source = TILL_TRY(FileSource::Open(from));
  FileSink sink = TILL_TRY(FileSink::Create(to));
  TILL_TRY(Copy(source, sink));
  return sink.Write(AsBytes(trailer));
}

Result<DemoImage> Measure(const std::string& version, const std::string& path) {
  FileSource source = TILL_TRY(FileSource::Open(path));
  const crypto::Sha256Digest digest = TILL_TRY(crypto::Sha256OfSource(source));
  return DemoImage{version, path, source.size(), digest};
}

// Bytes of what a terminal of the fleet is going to download, as the release says.
Result<uint64_t> SmallestPayload(const std::string& release_folder) {
  const std::string text = TILL_TRY(ReadTextFile(release_folder + "/release.json"));
  const json::Value record = TILL_TRY(json::Parse(text));
  int64_t least = INT64_MAX;
  for (const json::Value& component : record["components"].items()) {
    for (const json::Value& payload : component["payloads"].items()) {
      least = std::min(least, payload["length"].AsInteger());
    }
  }
  return static_cast<uint64_t>(least);
}

}  // namespace

Result<std::unique_ptr<Stage>> Stage::Build(const DemoOptions& options, const Narrate& narrate, std::string& trouble) {
  std::unique_ptr<Stage> stage(new Stage);
  const auto step = [&](const char* what, Status done) -> Status {
    if (!done.ok()) trouble = std::string(what) + (stage->trouble_.empty() ? "" : ": " + stage->trouble_);
    return done;
  };
  stage->bin_folder_ = TILL_TRY(OwnFolder());
  stage->folder_ = options.folder.empty() ? TILL_TRY(NewFolder()) : options.folder;
  TILL_TRY(MakeFolders(stage->folder_));
  TILL_TRY(step("choosing the images", stage->ChooseImages(options)));
  narrate("making keys and three signed releases: " + stage->images_[0].version + ", " + stage->images_[1].version +
          " and " + stage->images_[2].version + " (which will not pass its health check)");
  TILL_TRY(step("making the releases", stage->MakeReleases()));
  narrate("starting a hub and two edges");
  TILL_TRY(step("starting the servers", stage->StartServers()));
  TILL_TRY(step("configuring the hub", stage->Configure()));
  TILL_TRY(step("publishing the releases", stage->Publish()));
  narrate("provisioning " + std::to_string(options.terminals) + " terminals with " + stage->images_[0].version);
  TILL_TRY(step("provisioning the terminals", stage->MakeTerminals(options.terminals)));
  return stage;
}

Status Stage::Tool(std::vector<std::string> argv, const std::string& log) {
  Command command;
  argv[0] = bin_folder_ + "/" + argv[0];
  command.argv = std::move(argv);
  command.stdout_file = folder_ + "/" + log + ".out";
  command.stderr_file = folder_ + "/" + log + ".log";
  trouble_ = command.argv[0] + " " + (command.argv.size() > 1 ? command.argv[1] : "") + ", see " + command.stderr_file;
  TILL_TRY(RunToEnd(command));
  trouble_.clear();
  return Ok();
}

Status Stage::ChooseImages(const DemoOptions& options) {
  std::string old_path = options.from;
  std::string new_path = options.to;
  std::string bad_path = folder_ + "/bad.image";
  if (options.from.empty()) {
    old_path = options.firmware_folder + "/rootfs-1.0.0.squashfs";
    new_path = options.firmware_folder + "/rootfs-1.1.0.squashfs";
    bad_path = options.firmware_folder + "/rootfs-1.1.1-bad.squashfs";
  } else {
    std::string trailer(4096 - kBrokenMark.size(), '\0');
    TILL_TRY(CopyFile(new_path, bad_path, trailer.append(kBrokenMark)));
  }
  trouble_ = old_path;
  images_.push_back(TILL_TRY(Measure("1.0.0", old_path)));
  trouble_ = new_path;
  images_.push_back(TILL_TRY(Measure("1.1.0", new_path)));
  trouble_ = bad_path;
  images_.push_back(TILL_TRY(Measure("1.1.1", bad_path)));
  trouble_.clear();
  return Ok();
}

Status Stage::MakeReleases() {
  const std::string config = folder_ + "/tillrace.toml";
  const std::string text = std::string("[product]\nname = \"") + kProduct + "\"\nboard = [\"" + kBoard +
                           "\"]\n[image.rootfs]\nfile = \"" + images_[0].path +
                           "\"\n[delta]\nfrom = \"versions=1.0.0\"\n"
                           "profile = \"mt7688-64m\"\n[sign]\nkeys = \"keys\"\n[release]\nout = \"out\"\n";
  TILL_TRY(WriteFileAtomically(config, AsBytes(text)));
  TILL_TRY(Tool({"tillpack", "keys", "init", "--config", config}, "tillpack"));
  for (const DemoImage& image : images_) {
    TILL_TRY(
        Tool({"tillpack", "release", "--config", config, "--version", image.version, "--image", "rootfs=" + image.path},
             "tillpack"));
  }
  return Ok();
}

Status Stage::StartServers() {
  const std::string token_file = folder_ + "/edge.token";
  TILL_TRY(WriteFileAtomically(token_file, AsBytes(ToHex(crypto::RandomBytes(24))), 0600));
  Command hub;
  hub.argv = {bin_folder_ + "/tillhub",
              "serve",
              "--data",
              folder_ + "/hub",
              "--listen",
              "127.0.0.1:0",
              "--min-polling-time",
              "00:00:01",
              "--edge-token-file",
              token_file,
              "--trusted-root",
              folder_ + "/out/tuf/1.root.json",
              "--access-log",
              AccessLog("hub")};
  hub.stdout_file = folder_ + "/hub.ready";
  hub.stderr_file = folder_ + "/hub.log";
  trouble_ = "tillhub serve, see " + hub.stderr_file;
  hub_ = TILL_TRY(Process::Start(hub));
  hub_url_ = TILL_TRY(AwaitReadyUrl(*hub_, hub.stdout_file, 15'000));
  const std::string admin_token = TILL_TRY(ReadTextFile(AdminTokenFile(), 4096));
  admin_token_ = Trim(admin_token);
  for (int i = 0; i < 2; ++i) {
    const std::string name = "edge-" + std::to_string(i + 1);
    Command edge;
    edge.argv = {bin_folder_ + "/tilledge",
                 "serve",
                 "--origin",
                 hub_url_,
                 "--data",
                 folder_ + "/" + name,
                 "--listen",
                 "127.0.0.1:0",
                 "--origin-token-file",
                 token_file,
                 "--trusted-root",
                 folder_ + "/out/tuf/1.root.json",
                 "--access-log",
                 AccessLog(name)};
    edge.stdout_file = folder_ + "/" + name + ".ready";
    edge.stderr_file = folder_ + "/" + name + ".log";
    trouble_ = "tilledge serve, see " + edge.stderr_file;
    edges_[i] = TILL_TRY(Process::Start(edge));
    edge_urls_.push_back(TILL_TRY(AwaitReadyUrl(*edges_[i], edge.stdout_file, 15'000)));
  }
  hub_client_ = std::make_unique<HubClient>(Context{"demo", hub_url_, admin_token_, ""});
  trouble_.clear();
  return Ok();
}

Status Stage::Configure() {
  const std::pair<const char*, std::string> settings[] = {
      {"authentication.targettoken.enabled", "true"},
      {"pollingTime", "00:00:01"},
      {"till.mirrors", edge_urls_[0] + " " + edge_urls_[1]},
  };
  for (const auto& [key, value] : settings) {
    json::Value body = json::Value::Object();
    if (value == "true") {
      body.Set("value", true);
    } else {
      body.Set("value", value);
    }
    const Result<json::Value> done = hub_client_->Put(std::string("/rest/v1/system/configs/") + key, body);
    trouble_ = hub_client_->error_context();
    TILL_TRY(done);
  }
  trouble_.clear();
  return Ok();
}

Status Stage::Publish() {
  for (const DemoImage& image : images_) {
    TILL_TRY(Tool({"tillpack", "publish", ReleaseFolder(image), "--server", hub_url_, "--token-file", AdminTokenFile()},
                  "tillpack"));
  }
  return Ok();
}

Status Stage::MakeTerminals(unsigned count) {
  const std::string health = folder_ + "/health.d";
  TILL_TRY(MakeFolders(health));
  TILL_TRY(WriteFileAtomically(health + "/10-pos-app", AsBytes(kHealthCheck), 0755));
  json::Value list = json::Value::Array();
  uint64_t slot_bytes = 0;
  for (const DemoImage& image : images_) slot_bytes = std::max(slot_bytes, (image.length + 65535) / 65536 * 65536);
  delta_bytes_ = TILL_TRY(SmallestPayload(ReleaseFolder(new_image())));
  for (unsigned number = 1; number <= count; ++number) {
    TerminalSpec spec;
    spec.id = std::string("pos-") + (number < 10 ? "0" : "") + std::to_string(number);
    spec.folder = folder_ + "/terminals/" + spec.id;
    spec.bin_folder = bin_folder_;
    spec.hub_url = hub_url_;
    spec.token = ToHex(crypto::RandomBytes(16));
    spec.board = kBoard;
    spec.product = kProduct;
    spec.trusted_root = folder_ + "/out/tuf/1.root.json";
    spec.health_folder = health;
    spec.factory_image = old_image().path;
    spec.factory_version = old_image().version;
    spec.slot_bytes = slot_bytes;
    spec.rate_bytes_per_s =
        std::max(kSlowestLink, delta_bytes_ / kDownloadSeconds[number % std::size(kDownloadSeconds)]);
    json::Value target = json::Value::Object();
    target.Set("controllerId", spec.id).Set("securityToken", spec.token);
    list.Append(target);
    terminals_.push_back(std::make_unique<Terminal>(std::move(spec)));
  }
  const Result<json::Value> made = hub_client_->Post("/rest/v1/targets", list);
  trouble_ = hub_client_->error_context();
  TILL_TRY(made);
  for (const auto& terminal : terminals_) {
    trouble_ = terminal->spec().id + ", see " + terminal->spec().folder + "/tilld.log";
    TILL_TRY(terminal->Provision());
  }
  trouble_.clear();
  return Ok();
}

}  // namespace till::cli::demo
