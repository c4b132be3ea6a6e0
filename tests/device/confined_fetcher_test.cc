// The downloading process: what it brings, and what it cannot do.
#include "device/confined_fetcher.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "core/http/server.h"
#include "device/metered_fetcher.h"
#include "tests/core/http/certificates.h"

namespace till::device {
namespace {

class TextPieces final : public http::BodyStream {
 public:
  explicit TextPieces(std::string text) : text_(std::move(text)) {}
  http::Piece Next() override {
    http::Piece piece;
    if (text_.empty()) return piece;
    piece.kind = http::Piece::Kind::kBytes;
    piece.bytes = std::move(text_);
    text_.clear();
    return piece;
  }

 private:
  std::string text_;
};

// One body, by ranges.
class BodyServer final : public http::Handler {
 public:
  BodyServer() : body_(300'000, '\0') {
    for (size_t i = 0; i < body_.size(); i++) body_[i] = static_cast<char>(i * 7 + i / 251);
    http::ServerOptions options;
    options.loops = 1;
    server_ = std::move(http::Server::Start(options, *this)).value();
  }
  PayloadSource Source(const std::string& path = "/body") const {
    return {"http://127.0.0.1:" + std::to_string(server_->port()) + path, {{"X-Test", "1"}}};
  }
  const std::string& body() const { return body_; }
  uint16_t port() const { return server_->port(); }
  void OnRequest(std::shared_ptr<http::Exchange> exchange) override {
    if (exchange->request().path == "/rangeless") return exchange->Respond(http::TextResponse(200, body_));
    if (exchange->request().path != "/body") return exchange->Respond(http::TextResponse(404, "no"));
    http::RangeBody range;
    range.size = body_.size();
    range.etag = "\"one\"";
    range.make_stream = [this](uint64_t first, uint64_t length) {
      return std::make_unique<TextPieces>(body_.substr(first, length));
    };
    exchange->Respond(http::RangeResponse(exchange->request(), std::move(range)));
  }

 private:
  std::string body_;
  std::unique_ptr<http::Server> server_;
};

class Downloader : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = "/tmp/till-fetcher-XXXXXX";
    folder_ = mkdtemp(pattern.data());
    std::filesystem::permissions(folder_, std::filesystem::perms::all);
    slot_ = folder_ + "/slot-b";
    std::ofstream(slot_) << "image";
    chmod(slot_.c_str(), 0666);  // even when everybody may
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  Result<int> FetchAll(ConfinedFetcher& fetcher, uint64_t from, std::string& got) {
    return fetcher.Fetch(server_.Source(), {from, server_.body().size()}, [&](ByteView bytes) {
      got += AsText(bytes);
      return Ok();
    });
  }

  BodyServer server_;
  std::string folder_, slot_;
};

TEST_F(Downloader, BringsTheBytesFromWhereItIsAsked) {
  ConfinedFetcher fetcher({});
  for (const uint64_t from : {uint64_t{0}, uint64_t{1}, uint64_t{65'536}, uint64_t{299'999}}) {
    std::string got;
    const auto status = FetchAll(fetcher, from, got);
    ASSERT_TRUE(status.ok()) << status.error().what;
    EXPECT_EQ(*status, from == 0 ? 200 : 206);
    EXPECT_TRUE(got == server_.body().substr(from)) << from;
  }
  std::string none;
  const auto missing = fetcher.Fetch(server_.Source("/none"), {0, 5}, [&](ByteView) { return Ok(); });
  ASSERT_TRUE(missing.ok());
  EXPECT_EQ(*missing, 404);
}

TEST_F(Downloader, BringsRangesAndNotAByteMore) {
  ConfinedFetcher fetcher({});
  const uint64_t size = server_.body().size();
  for (const auto& [from, length] : {std::pair<uint64_t, uint64_t>{0, 1}, {0, size}, {7, 100'000}, {size - 5, 5}}) {
    std::string got;
    const auto status = fetcher.Fetch(server_.Source(), {from, size, length}, [&](ByteView bytes) {
      got += AsText(bytes);
      return Ok();
    });
    ASSERT_TRUE(status.ok()) << status.error().what;
    EXPECT_EQ(*status, 206) << from;
    EXPECT_TRUE(got == server_.body().substr(from, length)) << from;
  }
  EXPECT_GT(fetcher.child(), 0) << "one process for all of them";
}

// The split that trust.md asks for: whoever talks to strangers has no way to the flash.
TEST_F(Downloader, CannotOpenTheSlotForWriting) {
  const UniqueFd held = UniqueFd(open(slot_.c_str(), O_RDWR));  // by whoever writes to it, without O_CLOEXEC
  ASSERT_TRUE(held.valid());
  ConfinedFetcher fetcher({});
  const auto probe = fetcher.TryToWrite(slot_);
  ASSERT_TRUE(probe.ok());
  if (!probe->confined.filtered) GTEST_SKIP() << "this kernel (or emulator) has no seccomp";
  EXPECT_EQ(probe->open_error, EACCES) << "anybody may write to it, but not the downloader";
  EXPECT_LE(probe->open_files, 4u) << "stdin, stdout, stderr and the socket: no slot was inherited";
}

// What the filter lets through is a list: a call that nobody thought of is not on it.
TEST_F(Downloader, CanCallWhatIsOnTheListAlone) {
  const pid_t child = fork();
  if (child == 0) {
    const auto confined = ConfineThisProcess("");
    if (!confined.ok() || !confined->filtered) _exit(77);
    int wrong = 0;
    const auto refused = [&](long answer) { wrong += answer >= 0 || (errno != ENOSYS && errno != EACCES) ? 1 : 0; };
    refused(syscall(SYS_fork));
    refused(syscall(SYS_execve, "/no/such/program", nullptr, nullptr));
    refused(syscall(SYS_kill, getpid(), 0));
    refused(syscall(SYS_memfd_create, "x", 0));
    refused(syscall(SYS_personality, 0xffffffff));
    refused(syscall(SYS_setsid));
    refused(syscall(SYS_umask, 0));
    refused(syscall(SYS_inotify_init1, 0));
    refused(syscall(SYS_ioctl, 0, TCGETS, nullptr));
    refused(syscall(SYS_prctl, PR_GET_DUMPABLE, 0, 0, 0, 0));
    const int plain = open("/dev/null", O_RDONLY);
    wrong += plain < 0 ? 1 : 0;
    wrong += open("/dev/null", O_RDWR) >= 0 ? 1 : 0;
    _exit(wrong);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  if (WEXITSTATUS(status) == 77) GTEST_SKIP() << "this kernel (or emulator) has no seccomp";
  EXPECT_EQ(WEXITSTATUS(status), 0) << "calls that went through, or were refused in another way";
}

// The resolver's thread, its files and sockets, and TLS are on the list.
TEST_F(Downloader, ResolvesNamesAndSpeaksTls) {
  const http::Certificates certificates;
  http::ServerOptions options;
  options.loops = 1;
  options.tls_cert_file = certificates.Cert("server");
  options.tls_key_file = certificates.Key("server");
  const auto tls = http::Server::Start(options, server_);
  ASSERT_TRUE(tls.ok());
  ConfinedFetcher::Options fetcher_options;
  fetcher_options.user = "";  // the certificates are this user's
  fetcher_options.http.ca_file = certificates.Cert("server");
  ConfinedFetcher fetcher(fetcher_options);
  std::string got;
  const auto take = [&](ByteView bytes) { return got += AsText(bytes), Ok(); };
  const uint64_t size = server_.body().size();
  const auto secure =
      fetcher.Fetch({"https://127.0.0.1:" + std::to_string((*tls)->port()) + "/body", {}}, {0, size}, take);
  ASSERT_TRUE(secure.ok()) << secure.error().what;
  EXPECT_TRUE(got == server_.body());
  got.clear();
  const auto named =
      fetcher.Fetch({"http://localhost:" + std::to_string(server_.port()) + "/body", {}}, {0, size}, take);
  ASSERT_TRUE(named.ok()) << named.error().what;
  EXPECT_TRUE(got == server_.body());
  const auto unknown = fetcher.Fetch({"http://no-such-host.invalid/body", {}}, {0, size}, take);
  ASSERT_FALSE(unknown.ok());
  EXPECT_STREQ(unknown.error().what, "the host's name is not known");
}

TEST_F(Downloader, CountsWhatCameAndWasNotWanted) {
  ConfinedFetcher fetcher({});
  const uint64_t size = server_.body().size();
  uint64_t wire = 0;
  {
    MeteredFetcher metered(fetcher, wire, UINT64_MAX);
    std::string got;
    const auto take = [&](ByteView bytes) { return got += AsText(bytes), Ok(); };
    ASSERT_TRUE(metered.Fetch(server_.Source("/rangeless"), {200'000, size}, take).ok());
    EXPECT_TRUE(got == server_.body().substr(200'000));
    EXPECT_EQ(wire, size) << "what lies before the range came too";
    wire = 0;
    ASSERT_TRUE(metered.Fetch(server_.Source("/none"), {0, size}, take).ok());
    EXPECT_EQ(wire, 2u) << "the body of a 404";
  }
  wire = 0;
  MeteredFetcher poor(fetcher, wire, 50'000);
  const auto ended = poor.Fetch(server_.Source("/rangeless"), {200'000, size}, [](ByteView) { return Ok(); });
  ASSERT_FALSE(ended.ok());
  EXPECT_EQ(ended.error().code, ErrorCode::kCanceled);
  EXPECT_TRUE(poor.used_up());
  EXPECT_LT(wire, 50'000u + (64 << 10)) << "stopped where the budget ends, before a wanted byte came";
}

TEST_F(Downloader, IsNobodyWhenTheAgentIsRoot) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can become somebody else";
  chmod(slot_.c_str(), 0644);
  ConfinedFetcher fetcher({});
  const auto probe = fetcher.TryToWrite(slot_);
  ASSERT_TRUE(probe.ok());
  EXPECT_TRUE(probe->confined.user_dropped);
  EXPECT_EQ(probe->open_error, EACCES);
  struct stat process;
  ASSERT_EQ(stat(("/proc/" + std::to_string(fetcher.child()) + "/task").c_str(), &process), 0);
}

TEST_F(Downloader, IsStartedAnewAfterItDied) {
  ConfinedFetcher fetcher({});
  std::string got;
  ASSERT_TRUE(FetchAll(fetcher, 0, got).ok());
  ASSERT_EQ(kill(fetcher.child(), SIGKILL), 0);
  got.clear();
  const auto broken = FetchAll(fetcher, 0, got);
  ASSERT_FALSE(broken.ok());
  EXPECT_EQ(broken.error().code, ErrorCode::kUnavailable);
  got.clear();
  ASSERT_TRUE(FetchAll(fetcher, 100, got).ok());
  EXPECT_TRUE(got == server_.body().substr(100));
}

TEST_F(Downloader, StopsWhenItsTakerWantsNoMore) {
  ConfinedFetcher fetcher({});
  size_t taken = 0;
  const auto stopped = fetcher.Fetch(server_.Source(), {0, server_.body().size()}, [&](ByteView bytes) -> Status {
    taken += bytes.size();
    return Error{ErrorCode::kCanceled, "enough"};
  });
  ASSERT_FALSE(stopped.ok());
  EXPECT_EQ(stopped.error().code, ErrorCode::kCanceled);
  EXPECT_LE(taken, 65'536u);
  std::string got;
  ASSERT_TRUE(FetchAll(fetcher, 0, got).ok());
  EXPECT_TRUE(got == server_.body());
}

TEST_F(Downloader, EndsWithItsOwner) {
  pid_t child = 0;
  {
    ConfinedFetcher fetcher({});
    std::string got;
    ASSERT_TRUE(FetchAll(fetcher, 0, got).ok());
    child = fetcher.child();
    ASSERT_EQ(kill(child, 0), 0);
  }
  EXPECT_EQ(kill(child, 0), -1);
  EXPECT_EQ(errno, ESRCH);
}

TEST_F(Downloader, EndsWhenAsked) {
  std::atomic<bool> stop{true};
  ConfinedFetcher::Options options;
  options.http.cancel = &stop;
  ConfinedFetcher fetcher(options);
  std::string got;
  const auto stopped = FetchAll(fetcher, 0, got);
  ASSERT_FALSE(stopped.ok());
  EXPECT_EQ(stopped.error().code, ErrorCode::kCanceled);
}

}  // namespace
}  // namespace till::device
