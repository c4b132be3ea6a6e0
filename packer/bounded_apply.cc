#include "packer/bounded_apply.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "core/file.h"
#include "core/json/json.h"
#include "core/text.h"
#include "delta/apply/payload_file.h"

extern char** environ;  // NOLINT(readability-redundant-declaration): POSIX wants it declared by its user

namespace till::packer {
namespace {

constexpr uint64_t kSlackBytes = 512 << 10;  // malloc's own rounding and the stack
constexpr size_t kMaxAnswerBytes = 4096;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kCanLimit = false;
#else
constexpr bool kCanLimit = true;
#endif

// Files of /proc have no size, so not ReadTextFile.
std::string ReadProcFile(const char* path) {
  const Result<UniqueFd> file = OpenFile(path, O_RDONLY);
  if (!file.ok()) return "";
  std::byte text[4096];
  const Result<size_t> got = ReadSomeAt(file->get(), 0, text);
  return got.ok() ? std::string(AsText(ByteView(text, *got))) : "";
}

uint64_t StatusKib(std::string_view field) {
  const std::string text = ReadProcFile("/proc/self/status");
  for (const std::string_view line : Split(text, '\n')) {
    if (!line.starts_with(field)) continue;
    const std::string_view number = Trim(line.substr(field.size()));
    return ParseUint(number.substr(0, number.find(' '))).ok() ? *ParseUint(number.substr(0, number.find(' '))) : 0;
  }
  return 0;
}

bool Lower(int resource, uint64_t bytes) {
  rlimit limit{};
  if (getrlimit(static_cast<__rlimit_resource_t>(resource), &limit) != 0) return false;
  limit.rlim_cur = std::min<rlim_t>(bytes, limit.rlim_max);
  return setrlimit(static_cast<__rlimit_resource_t>(resource), &limit) == 0;
}

class DigestSink : public Sink {
 public:
  Status Write(ByteView bytes) override {
    hash_.Update(bytes);
    return Ok();
  }
  Status Finish() override { return Ok(); }
  crypto::Sha256Digest digest() { return hash_.Finish(); }

 private:
  crypto::Sha256 hash_;
};

// A started child with its standard output on a pipe.
struct Child {
  pid_t pid = -1;
  UniqueFd out;
};

Result<Child> Start(const std::vector<std::string>& command) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return SystemError("cannot make a pipe");
  Child child;
  child.out = UniqueFd(ends[0]);
  const UniqueFd theirs(ends[1]);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, theirs.get(), STDOUT_FILENO);
  std::vector<char*> argv;
  argv.reserve(command.size() + 1);
  for (const std::string& word : command) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  const int failed = posix_spawn(&child.pid, argv[0], &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) return SystemError("cannot start the applier", failed);
  return child;
}

std::string ReadAll(int fd) {
  std::string text;
  char part[512];
  for (ssize_t got = 0; (got = read(fd, part, sizeof part)) > 0;) {
    text.append(part, static_cast<size_t>(got));
    if (text.size() > kMaxAnswerBytes) break;
  }
  return text;
}

Error FromExit(int status) {
  if (!WIFEXITED(status)) {
    return Error{ErrorCode::kLimit, "the applier died under its declared memory",
                 static_cast<uint64_t>(WTERMSIG(status))};
  }
  const auto code = static_cast<uint64_t>(WEXITSTATUS(status));
  if (code == 3) return Error{ErrorCode::kRefused, "the applier refuses it", code};
  if (code == 4) return Error{ErrorCode::kLimit, "it needs more memory than it declares", code};
  return Error{ErrorCode::kIo, "the applier failed", code};
}

}  // namespace

bool LimitGrowth(uint64_t bytes) {
  if (!kCanLimit) return false;
  const uint64_t mapped = StatusKib("VmSize:") << 10;
  const uint64_t data = StatusKib("VmData:") << 10;
  return mapped != 0 && Lower(RLIMIT_AS, mapped + bytes) && Lower(RLIMIT_DATA, data + bytes);
}

Result<Proof> ProveHere(const ProofPaths& paths, bool enforce) {
  FileSource payload = TILL_TRY(FileSource::Open(paths.payload));
  const delta::PayloadFile facts = TILL_TRY(delta::OpenPayload(payload));
  FileSource base(UniqueFd(), 0);
  if (!paths.base.empty()) base = TILL_TRY(FileSource::Open(paths.base));
  DigestSink target;  // its hash also loads OpenSSL's providers before the limit stands
  Proof proof;
  proof.arena_bytes = facts.header.arena_bytes;
  const uint64_t before_kib = StatusKib("VmRSS:");
  if (enforce) proof.limit_enforced = LimitGrowth(proof.arena_bytes + 2 * facts.chunks.encoded_length() + kSlackBytes);
  delta::ApplyFileOptions options;
  options.payload = &payload;
  options.base = paths.base.empty() ? nullptr : &base;
  options.target = &target;
  options.max_arena_bytes = proof.arena_bytes;
  TILL_TRY(delta::ApplyPayloadFile(options));
  proof.target = target.digest();
  proof.peak_rss_kib = StatusKib("VmHWM:");
  proof.grown_rss_kib = proof.peak_rss_kib - std::min(before_kib, proof.peak_rss_kib);
  return proof;
}

Result<Proof> ProveInChild(const std::string& tillpack, const ProofPaths& paths) {
  std::vector<std::string> command = {tillpack, "--json", "apply", "--check", "--payload", paths.payload};
  if (!paths.base.empty()) command.insert(command.end(), {"--from", paths.base});
  Child child = TILL_TRY(Start(command));
  const std::string answer = ReadAll(child.out.get());
  child.out.Reset();
  int status = 0;
  while (waitpid(child.pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) return FromExit(status);
  const json::Value said = TILL_TRY(json::Parse(Trim(answer)));
  Proof proof;
  proof.target = TILL_TRY(crypto::ParseSha256(said["sha256"].AsString()));
  proof.arena_bytes = static_cast<uint64_t>(said["arena_bytes"].AsInteger());
  proof.peak_rss_kib = static_cast<uint64_t>(said["peak_rss_kib"].AsInteger());
  proof.grown_rss_kib = static_cast<uint64_t>(said["grown_rss_kib"].AsInteger());
  proof.limit_enforced = said["limit_enforced"].AsBool();
  return proof;
}

}  // namespace till::packer
