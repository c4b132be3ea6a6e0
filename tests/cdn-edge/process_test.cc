// The real program: started, killed, restarted, given bad input. covers W08 W13
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <thread>

#include "core/json/json.h"
#include "core/text.h"
#include "tests/cdn-edge/test_origin.h"

namespace till::edge::testing {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

// A tilledge process and what it says. Killed, if need be, when the test ends.
class Process {
 public:
  explicit Process(std::vector<std::string> arguments, uint64_t file_limit_bytes = 0) {
    int out[2];
    int err[2];
    EXPECT_EQ(pipe2(out, O_CLOEXEC), 0);
    EXPECT_EQ(pipe2(err, O_CLOEXEC), 0);
    out_ = UniqueFd(out[0]);
    err_ = UniqueFd(err[0]);
    pid_ = fork();
    if (pid_ == 0) {
      dup2(out[1], 1);
      dup2(err[1], 2);
      if (file_limit_bytes != 0) {
        const rlimit limit{file_limit_bytes, file_limit_bytes};
        setrlimit(RLIMIT_FSIZE, &limit);
      }
      std::vector<char*> argv;
      std::string program = TILL_BIN_DIR "/tilledge";
      argv.push_back(program.data());
      for (std::string& argument : arguments) argv.push_back(argument.data());
      argv.push_back(nullptr);
      execv(program.c_str(), argv.data());
      _exit(127);
    }
    close(out[1]);
    close(err[1]);
  }
  ~Process() {
    if (pid_ > 0) Kill(SIGKILL);
  }

  // The URL of the ready line.
  std::string AwaitReady() {
    std::string text;
    char c = 0;
    while (read(out_.get(), &c, 1) == 1 && c != '\n') text += c;
    const auto line = json::Parse(text);
    EXPECT_TRUE(line.ok()) << text;
    if (!line.ok()) return "";
    EXPECT_EQ((*line)["event"].AsString(), "ready");
    EXPECT_EQ((*line)["program"].AsString(), "tilledge");
    return (*line)["url"].AsString();
  }
  int Kill(int signal) {
    kill(pid_, signal);
    return Wait();
  }
  void Signal(int signal) { kill(pid_, signal); }
  int Wait() {
    int status = 0;
    EXPECT_EQ(waitpid(pid_, &status, 0), pid_);
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  std::string Rest(UniqueFd& from) {
    std::string text;
    char buffer[4096];
    for (ssize_t got = 0; (got = read(from.get(), buffer, sizeof buffer)) > 0;)
      text.append(buffer, static_cast<size_t>(got));
    return text;
  }
  uint64_t peak_rss_kib() const {
    std::ifstream status("/proc/" + std::to_string(pid_) + "/status");
    for (std::string line; std::getline(status, line);) {
      if (line.starts_with("VmHWM:"))
        return ParseUint(Split(Trim(line).substr(line.find_first_of("123456789")), ' ')[0]).value();
    }
    return 0;
  }
  std::string errors() { return Rest(err_); }
  std::string output() { return Rest(out_); }

 private:
  pid_t pid_ = -1;
  UniqueFd out_;
  UniqueFd err_;
};

class ProcessTest : public ::testing::Test {
 protected:
  void SetUp() override { origin_.Sign({payload_}); }
  std::vector<std::string> Serve(const std::string& listen = "127.0.0.1:0") const {
    return {"serve",    "--origin", origin_.url(),    "--data",           temp_.path() + "/data",
            "--listen", listen,     "--trusted-root", origin_.root_file()};
  }
  Result<http::Reply> Get(const std::string& url, std::vector<http::HeaderField> headers = {}) {
    http::Client client{http::ClientOptions{}};
    http::Call call;
    call.url = url;
    call.headers = std::move(headers);
    call.max_reply_bytes = 64 << 20;
    return client.Send(call);
  }

  TempFolder temp_;
  TestOrigin origin_;
  Payload payload_ = MakePayload(24 << 20, 1);
};

TEST_F(ProcessTest, SaysItIsReadyServesAndEndsWhenTold) {
  Process edge(Serve());
  const std::string url = edge.AwaitReady();
  EXPECT_EQ(Get(url + "/healthz")->status, 200);
  EXPECT_TRUE(Get(url + "/a/" + payload_.hex)->body == payload_.text());
  EXPECT_EQ(edge.Kill(SIGTERM), 0);
}

TEST_F(ProcessTest, KilledInTheMiddleOfAFillItGoesOnFromWhatIsStored) {
  constexpr uint64_t kLostAtMost = 2 * 32768;  // one chunk of each fetcher; two work on one object
  uint64_t position = 0;
  {
    Process edge(Serve());
    const std::string url = edge.AwaitReady();
    http::Client client{http::ClientOptions{}};
    http::DownloadCall call;
    call.url = url + "/a/" + payload_.hex;
    // Killed by its own client, 14 MiB into the answer: no earlier, no later.
    (void)client.Download(call, [&](ByteView bytes) -> Status {
      EXPECT_TRUE(AsText(bytes) == payload_.text().substr(position, bytes.size()));
      position += bytes.size();
      if (position < 14U << 20) return Ok();
      return Error{ErrorCode::kCanceled, "enough"};
    });
    edge.Kill(SIGKILL);
  }
  const uint64_t before = origin_.sent_bytes(payload_.hex);
  ASSERT_GE(before, position);
  Process edge(Serve());
  const std::string url = edge.AwaitReady();
  const auto filled_so_far = [&] {
    return json::Parse(Get(url + "/status")->body).value()["bytes_filled"].AsInteger();
  };
  const int64_t counted = filled_so_far();
  const auto reply = Get(url + "/a/" + payload_.hex);
  ASSERT_TRUE(reply.ok());
  EXPECT_TRUE(reply->body == payload_.text());
  const auto filled = static_cast<uint64_t>(filled_so_far() - counted);
  const json::Value status = json::Parse(Get(url + "/status")->body).value();
  EXPECT_LE(filled, payload_.identity.size - std::min(position, payload_.identity.size) + kLostAtMost);
  EXPECT_EQ(status["chunks_found_bad"].AsInteger(), 0);
  std::printf("kill -9 at %llu of %llu bytes: %llu fetched after the restart\n",
              static_cast<unsigned long long>(position), static_cast<unsigned long long>(payload_.identity.size),
              static_cast<unsigned long long>(filled));
}

TEST_F(ProcessTest, KilledAgainAndAgainItNeverServesAWrongByte) {
  uint64_t position = 0;
  for (unsigned round = 1; round <= 6; ++round) {
    Process edge(Serve());
    const std::string url = edge.AwaitReady();
    http::Client client{http::ClientOptions{}};
    http::DownloadCall call;
    call.url = url + "/a/" + payload_.hex;
    call.from = (round * 3'333'331ULL) % (20 << 20);
    position = call.from;
    uint64_t received = 0;
    (void)client.Download(call, [&](ByteView bytes) -> Status {
      EXPECT_TRUE(AsText(bytes) == payload_.text().substr(position, bytes.size()));
      position += bytes.size();
      received += bytes.size();
      if (received < round * 500'000) return Ok();
      return Error{ErrorCode::kCanceled, "enough"};
    });
    edge.Kill(SIGKILL);
  }
  Process edge(Serve());
  EXPECT_TRUE(Get(edge.AwaitReady() + "/a/" + payload_.hex)->body == payload_.text());
}

TEST_F(ProcessTest, PassesThroughWhenTheDiskTakesNoMore) {
  Process edge(Serve(), 8 << 20);  // files may not grow beyond 8 MiB: to the edge a full disk
  const std::string url = edge.AwaitReady();
  for (int i = 0; i < 2; ++i) {
    const auto reply = Get(url + "/a/" + payload_.hex);
    ASSERT_TRUE(reply.ok());
    EXPECT_TRUE(reply->body == payload_.text());
  }
  const json::Value status = json::Parse(Get(url + "/status")->body).value();
  EXPECT_GT(status["stores_failed"].AsInteger(), 0);
  EXPECT_EQ(edge.Kill(SIGTERM), 0);
  const std::string errors = edge.errors();
  EXPECT_NE(errors.find("T4007"), std::string::npos) << errors;
  EXPECT_EQ(errors.find("T4016"), std::string::npos) << errors;
}

TEST_F(ProcessTest, SaysWhenItIsItsOwnCapThatIsFull) {
  std::vector<std::string> arguments = Serve();
  arguments.insert(arguments.end(), {"--max-bytes", "8MiB"});
  Process edge(arguments);
  const auto reply = Get(edge.AwaitReady() + "/a/" + payload_.hex);
  ASSERT_TRUE(reply.ok());
  EXPECT_TRUE(reply->body == payload_.text());
  EXPECT_EQ(edge.Kill(SIGTERM), 0);
  const std::string errors = edge.errors();
  EXPECT_NE(errors.find("T4016"), std::string::npos) << errors;
  EXPECT_EQ(errors.find("T4007"), std::string::npos) << errors;
}

TEST_F(ProcessTest, AHerdOnAColdObjectTakesLittleMemory) {
  Process edge(Serve());
  const std::string url = edge.AwaitReady();
  EXPECT_EQ(Get(url + "/DEFAULT/tuf/timestamp.json")->status, 200);
  const uint64_t before_kib = edge.peak_rss_kib();
  std::atomic<unsigned> wrong{0};
  std::vector<std::thread> clients;
  for (unsigned i = 0; i < 200; ++i) {
    clients.emplace_back([&, i] {
      http::Client client{http::ClientOptions{}};
      http::DownloadCall call;
      call.url = url + "/a/" + payload_.hex;
      call.from = i % 10 == 0 ? 0 : i * 104'729ULL % payload_.identity.size;
      uint64_t position = call.from;
      const auto reply = client.Download(call, [&](ByteView bytes) -> Status {
        if (AsText(bytes) != payload_.text().substr(position, bytes.size())) return Error{ErrorCode::kCorrupt, "wrong"};
        position += bytes.size();
        return Ok();
      });
      if (!reply.ok() || position != payload_.identity.size) ++wrong;
    });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(wrong, 0U);
  EXPECT_EQ(origin_.sent_bytes(payload_.hex), payload_.identity.size);
  const uint64_t after_kib = edge.peak_rss_kib();
  // Bodies leave by sendfile: a client costs its connection, not a copy of what it reads. A sanitizer's own memory
  // (shadow, freed blocks held back) is no figure of ours.
  if (!kSanitized) {
    EXPECT_LT(after_kib, 64U * 1024);
  }
  std::printf("200 clients to the end of a cold 24 MiB object: tilledge's peak RSS %llu KiB (idle %llu KiB)\n",
              static_cast<unsigned long long>(after_kib), static_cast<unsigned long long>(before_kib));
}

TEST_F(ProcessTest, OpensItsLogAnewWhenToldSoAfterItWasMovedAway) {
  const std::string log = temp_.path() + "/access.log";
  std::vector<std::string> arguments = Serve();
  arguments.insert(arguments.end(), {"--access-log", log});
  Process edge(arguments);
  const std::string url = edge.AwaitReady();
  EXPECT_EQ(Get(url + "/a/first")->status, 400);
  ASSERT_EQ(rename(log.c_str(), (log + ".moved").c_str()), 0);
  edge.Signal(SIGHUP);
  for (int i = 0; i < 2000 && !FileExists(log); ++i) EXPECT_EQ(Get(url + "/healthz")->status, 200);
  ASSERT_TRUE(FileExists(log));
  EXPECT_EQ(Get(url + "/a/second")->status, 400);
  EXPECT_NE(ReadTextFile(log + ".moved")->find("/a/first"), std::string::npos);
  EXPECT_NE(ReadTextFile(log)->find("/a/second"), std::string::npos);
  EXPECT_EQ(edge.Kill(SIGTERM), 0);
}

TEST_F(ProcessTest, StartsAndServesWithTheOriginUnreachable) {
  {
    Process edge(Serve());
    EXPECT_TRUE(Get(edge.AwaitReady() + "/a/" + payload_.hex)->body == payload_.text());
    EXPECT_EQ(edge.Kill(SIGTERM), 0);
  }
  origin_.Stop();
  Process edge(Serve());
  const std::string url = edge.AwaitReady();
  EXPECT_TRUE(Get(url + "/a/" + payload_.hex)->body == payload_.text());
  EXPECT_EQ(Get(url + "/DEFAULT/tuf/timestamp.json")->status, 200);
}

TEST_F(ProcessTest, ListsAndScrubsAStoreThatNobodyServes) {
  {
    Process edge(Serve());
    EXPECT_TRUE(Get(edge.AwaitReady() + "/a/" + payload_.hex)->body == payload_.text());
    Process second({"ls", "--data", temp_.path() + "/data"});
    EXPECT_EQ(second.Wait(), 6);
    EXPECT_NE(second.errors().find("T4002"), std::string::npos);
    EXPECT_EQ(edge.Kill(SIGTERM), 0);
  }
  Process list({"ls", "--data", temp_.path() + "/data", "--json"});
  EXPECT_EQ(list.Wait(), 0);
  const json::Value item = json::Parse(Trim(list.output())).value();  // one line for the one object
  EXPECT_EQ(item["object"].AsString(), payload_.hex);
  EXPECT_TRUE(item["complete"].AsBool());
  EXPECT_EQ(item["stored"].AsInteger(), static_cast<int64_t>(payload_.identity.size));

  Process clean({"scrub", "--data", temp_.path() + "/data"});
  EXPECT_EQ(clean.Wait(), 0);
  const std::string file = temp_.path() + "/data/objects/" + payload_.hex.substr(0, 2) + "/" + payload_.hex;
  const UniqueFd damaged = OpenFile(file, O_WRONLY).value();
  const std::byte wrong = payload_.bytes[9'000'000] ^ std::byte{128};
  ASSERT_TRUE(WriteAllAt(damaged.get(), 9'000'000, ByteView(&wrong, 1)).ok());
  Process scrub({"scrub", "--data", temp_.path() + "/data", "--json"});
  EXPECT_EQ(scrub.Wait(), 3);
  EXPECT_EQ(json::Parse(scrub.output()).value()["dropped"].AsInteger(), 1) << scrub.errors();
}

TEST_F(ProcessTest, BadInputEndsInAClearError) {
  Process first(Serve());
  const std::string url = first.AwaitReady();
  const std::string taken = url.substr(std::string("http://").size());
  const std::string data = temp_.path() + "/other";
  struct Row {
    const char* name;
    std::vector<std::string> arguments;
    int status;
    const char* code;
  };
  std::vector<std::string> same_port = {"serve", "--origin", origin_.url(), "--data", data, "--listen", taken};
  const Row rows[] = {
      {"a port in use", same_port, 6, "T4001"},
      {"a folder in use", Serve(), 6, "T4002"},
      {"a folder that cannot be", {"serve", "--origin", origin_.url(), "--data", "/proc/no/such"}, 1, "T4003"},
      {"no command", {}, 2, "T4014"},
      {"an unknown flag", {"serve", "--oregano", "x"}, 2, "T4014"},
      {"no origin", {"serve", "--data", data}, 2, "T4014"},
      {"an origin that is no address", {"serve", "--origin", "hub", "--data", data}, 2, "T4008"},
      {"a size that is none", {"serve", "--origin", url, "--data", data, "--max-bytes", "much"}, 2, "T4008"},
      {"a port that is none", {"serve", "--origin", url, "--data", data, "--listen", "127.0.0.1:99999"}, 2, "T4008"},
      {"a tenant with a slash", {"serve", "--origin", url, "--data", data, "--tenant", "../x"}, 2, "T4008"},
      {"a certificate without a key", {"serve", "--origin", url, "--data", data, "--tls-cert", "x"}, 2, "T4008"},
      {"a token file that is not there",
       {"serve", "--origin", url, "--data", data, "--origin-token-file", "/no"},
       2,
       "T4008"},
      {"a root that is none", {"serve", "--origin", url, "--data", data, "--trusted-root", "/etc/passwd"}, 1, "T4009"},
      {"nothing to list", {"ls", "--data", "/no/such"}, 1, "T4003"},
  };
  for (const Row& row : rows) {
    Process edge(row.arguments);
    EXPECT_EQ(edge.Wait(), row.status) << row.name;
    const std::string errors = edge.errors();
    EXPECT_NE(errors.find(row.code), std::string::npos) << row.name << ": " << errors;
  }
  EXPECT_EQ(first.Kill(SIGTERM), 0);
}

TEST_F(ProcessTest, HelpShowsExamples) {
  Process help({"serve", "--help"});
  EXPECT_EQ(help.Wait(), 0);
  Process all({"--help"});
  EXPECT_EQ(all.Wait(), 0);
  EXPECT_NE(all.output().find("tilledge serve --origin"), std::string::npos);
}

}  // namespace
}  // namespace till::edge::testing
