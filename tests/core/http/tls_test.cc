#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <cstdlib>
#include <ctime>
#include <filesystem>

#include "tests/core/http/certificates.h"
#include "tests/core/http/handler_for_tests.h"
#include "tests/core/http/raw_socket.h"

namespace till::http {
namespace {

class TlsTest : public ServerTest {
 protected:
  static void SetUpTestSuite() { certificates = new Certificates; }
  static void TearDownTestSuite() {
    delete certificates;
    certificates = nullptr;
  }
  void SetUp() override {
    options.tls_cert_file = certificates->Cert("server");
    options.tls_key_file = certificates->Key("server");
  }
  std::string TlsUrl(const std::string& path) const { return "https://127.0.0.1:" + std::to_string(port()) + path; }
  static ClientOptions Trusting(const std::string& name) {
    ClientOptions client_options;
    client_options.ca_file = certificates->Cert(name);
    return client_options;
  }

  static Certificates* certificates;
};
Certificates* TlsTest::certificates = nullptr;

TEST_F(TlsTest, AClientThatTrustsTheCertificateIsServed) {
  handler.on_head = [](const Request&) {
    BodyPlan plan;
    plan.max_bytes = 8 << 20;
    return plan;
  };
  handler.on_request = [](const std::shared_ptr<Exchange>& exchange) {
    EXPECT_TRUE(exchange->request().over_tls);
    exchange->Respond(TextResponse(200, exchange->request().body));
  };
  Start();
  Client client(Trusting("server"));
  for (const size_t size : {size_t{0}, size_t{1}, size_t{16384}, size_t{100'000}, size_t{5'000'000}}) {
    std::string body(size, '\0');
    for (size_t i = 0; i < size; ++i) body[i] = static_cast<char>(i * 31 >> 3);
    const Result<Reply> reply =
        client.Send({.method = "PUT", .url = TlsUrl("/"), .body = body, .max_reply_bytes = 8 << 20});
    ASSERT_TRUE(reply.ok()) << reply.error().what;
    EXPECT_TRUE(reply->body == body) << size;
  }
  EXPECT_EQ(server->counters().connections, 1U);
}

TEST_F(TlsTest, AClientThatTrustsAnotherIsNot) {
  Start();
  Client client(Trusting("other"));
  const Result<Reply> reply = client.Send({.url = TlsUrl("/")});
  ASSERT_FALSE(reply.ok());
  EXPECT_EQ(reply.error().code, ErrorCode::kUnavailable);
  EXPECT_TRUE(IsCertificateRefusal(reply.error()));
  EXPECT_EQ(server->counters().requests, 0U);
}

// `name`'s certificate again, valid from `from_s` to `until_s` from now.
void Redate(const Certificates& certificates, const std::string& name, long from_s, long until_s) {
  const std::unique_ptr<BIO, int (*)(BIO*)> in(BIO_new_file(certificates.Cert(name).c_str(), "r"), BIO_free);
  const std::unique_ptr<BIO, int (*)(BIO*)> key_in(BIO_new_file(certificates.Key(name).c_str(), "r"), BIO_free);
  const std::unique_ptr<X509, void (*)(X509*)> cert(PEM_read_bio_X509(in.get(), nullptr, nullptr, nullptr), X509_free);
  const std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)> key(
      PEM_read_bio_PrivateKey(key_in.get(), nullptr, nullptr, nullptr), EVP_PKEY_free);
  ASSERT_TRUE(cert && key);
  X509_gmtime_adj(X509_getm_notBefore(cert.get()), from_s);
  X509_gmtime_adj(X509_getm_notAfter(cert.get()), until_s);
  ASSERT_GT(X509_sign(cert.get(), key.get(), EVP_sha256()), 0);
  const std::unique_ptr<BIO, int (*)(BIO*)> out(BIO_new_file(certificates.Cert(name).c_str(), "w"), BIO_free);
  ASSERT_EQ(PEM_write_bio_X509(out.get(), cert.get()), 1);
}

// A terminal whose clock says 1970 (to it, all certificates are of the future) or 2106 (all have expired).
// covers S14 S15
TEST_F(TlsTest, AClientWithoutAClockJudgesByTheEarliestTimeItCanBe) {
  constexpr long kDay = 86'400;
  struct Case {
    const char* name;
    long from_s, until_s, earliest_s;  // from now; earliest 0: the clock counts
    bool served;
  };
  const Case kCases[] = {
      {"valid, by the clock", -kDay, kDay, 0, true},
      {"of the future, by the clock", 10 * kDay, 20 * kDay, 0, false},
      {"expired, by the clock", -20 * kDay, -10 * kDay, 0, false},
      {"of the future: the clock is behind", 10 * kDay, 20 * kDay, -kDay, true},
      {"expired to the clock, not to what is known: the clock is ahead", -20 * kDay, -10 * kDay, -15 * kDay, true},
      {"expired before the earliest time", -20 * kDay, -10 * kDay, -5 * kDay, false},
      {"valid to the clock, expired by the earliest time", -kDay, kDay, 2 * kDay, false},
  };
  for (const Case& c : kCases) {
    const Certificates own;
    Redate(own, "server", c.from_s, c.until_s);
    options.tls_cert_file = own.Cert("server");
    options.tls_key_file = own.Key("server");
    Start();
    ClientOptions client_options;
    client_options.ca_file = own.Cert("server");
    const int64_t earliest = c.earliest_s == 0 ? 0 : time(nullptr) + c.earliest_s;
    client_options.earliest_unix_s = [earliest] { return earliest; };
    EXPECT_EQ(Client(client_options).Send({.url = TlsUrl("/")}).ok(), c.served) << c.name;
    client_options.ca_file = own.Cert("other");
    EXPECT_FALSE(Client(client_options).Send({.url = TlsUrl("/")}).ok()) << c.name << ": another authority";
    server.reset();
  }
}

TEST_F(TlsTest, AFileIsServedIntactToASlowReader) {
  std::string path = ::testing::TempDir() + "/till_tls_file_XXXXXX";
  const auto file = std::make_shared<const UniqueFd>(mkstemp(path.data()));
  std::filesystem::remove(path);
  std::string content(3'000'000, '\0');
  for (size_t i = 0; i < content.size(); ++i) content[i] = static_cast<char>(i * 2654435761U >> 13);
  ASSERT_TRUE(WriteAll(file->get(), AsBytes(content)).ok());
  handler.on_request = [&](const std::shared_ptr<Exchange>& exchange) {
    RangeBody body;
    body.size = content.size();
    body.etag = "\"e\"";
    body.make_stream = [&](uint64_t first, uint64_t length) { return FileStream(file, first, length); };
    exchange->Respond(RangeResponse(exchange->request(), std::move(body)));
  };
  Start();
  ClientOptions client_options = Trusting("server");
  client_options.max_receive_bytes_per_s = 4'000'000;
  Client client(client_options);
  for (const uint64_t from : {uint64_t{0}, uint64_t{1'234'567}}) {
    std::string got;
    DownloadCall call;
    call.url = TlsUrl("/");
    call.from = from;
    const Result<DownloadReply> reply = client.Download(call, [&](ByteView bytes) {
      got += AsText(bytes);
      return Ok();
    });
    ASSERT_TRUE(reply.ok());
    EXPECT_TRUE(got == content.substr(from));
  }
}

TEST_F(TlsTest, ClientCertificatesAreNamedWhenTheyVerifyAndRefusedWhenNot) {
  options.tls_client_ca_file = certificates->Cert("client");
  handler.on_request = [](const std::shared_ptr<Exchange>& exchange) {
    const Request& request = exchange->request();
    exchange->Respond(
        TextResponse(200, request.client_cert_name + " " + std::to_string(request.client_cert_sha256.size())));
  };
  Start();
  const auto ask_as = [&](const std::string& name) {
    ClientOptions client_options = Trusting("server");
    if (!name.empty()) {
      client_options.client_cert_file = certificates->Cert(name);
      client_options.client_key_file = certificates->Key(name);
    }
    Client client(client_options);
    const Result<Reply> reply = client.Send({.url = TlsUrl("/")});
    return reply.ok() ? reply->body : "refused";
  };
  EXPECT_EQ(ask_as("client"), "till client 64");
  EXPECT_EQ(ask_as(""), " 0");
  EXPECT_EQ(ask_as("other"), "refused");
}

// A TLS client by hand, to look at what curl does not show.
class RawTls {
 public:
  RawTls(uint16_t port, int version) : connection_(port), context_(SSL_CTX_new(TLS_client_method())) {
    SSL_CTX_set_min_proto_version(context_, version);
    SSL_CTX_set_max_proto_version(context_, version);
    ssl_ = SSL_new(context_);
    SSL_set_fd(ssl_, connection_.fd());
  }
  RawTls(const RawTls&) = delete;
  RawTls& operator=(const RawTls&) = delete;
  ~RawTls() {
    // Otherwise OpenSSL takes the end for a failure, and the session for one that must not be resumed.
    SSL_set_shutdown(ssl_, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(ssl_);
    SSL_CTX_free(context_);
  }
  bool Connect(SSL_SESSION* resumed = nullptr) {
    if (resumed != nullptr) SSL_set_session(ssl_, resumed);
    return SSL_connect(ssl_) == 1;
  }
  // One request; the ticket comes with its answer.
  SSL_SESSION* SessionAfterRequest() {
    const std::string request = Get("/");
    std::array<char, 1000> buffer{};
    SSL_write(ssl_, request.data(), static_cast<int>(request.size()));
    SSL_read(ssl_, buffer.data(), buffer.size());
    return SSL_get1_session(ssl_);
  }
  SSL* ssl() { return ssl_; }

 private:
  RawConnection connection_;
  SSL_CTX* context_;
  SSL* ssl_ = nullptr;
};

TEST_F(TlsTest, SessionsResumeAlsoOnAnotherLoop) {
  options.loops = 3;
  Start();
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    RawTls first(port(), version);
    ASSERT_TRUE(first.Connect());
    EXPECT_EQ(SSL_session_reused(first.ssl()), 0);
    SSL_SESSION* session = first.SessionAfterRequest();
    for (int i = 0; i < 6; ++i) {  // the kernel deals connections out over the loops
      RawTls again(port(), version);
      ASSERT_TRUE(again.Connect(session));
      EXPECT_EQ(SSL_session_reused(again.ssl()), 1);
    }
    SSL_SESSION_free(session);
  }
}

TEST_F(TlsTest, OldVersionsAreRefused) {
  Start();
  RawTls old(port(), TLS1_1_VERSION);
  SSL_set_security_level(old.ssl(), 0);
  EXPECT_FALSE(old.Connect());
}

TEST_F(TlsTest, PlainHttpOnATlsPortEndsTheConnection) {
  Start();
  RawConnection client(port());
  ASSERT_TRUE(client.Send(Get("/")));
  const std::string answer = client.ReadAll();
  EXPECT_EQ(answer.find("HTTP"), std::string::npos);
  EXPECT_EQ(server->counters().requests, 0U);
}

TEST_F(TlsTest, AHandshakeThatStopsIsDroppedAtTheDeadline) {  // covers W03
  options.header_deadline_ms = 150;
  Start();
  RawConnection silent(port());
  RawConnection half(port());
  ASSERT_TRUE(half.Send(std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11)));
  EXPECT_EQ(silent.ReadAll(), "");
  EXPECT_EQ(half.ReadAll(), "");
  RawTls quiet(port(), TLS1_3_VERSION);  // a finished handshake, and then no request
  ASSERT_TRUE(quiet.Connect());
  char byte = 0;
  EXPECT_LE(SSL_read(quiet.ssl(), &byte, 1), 0);
}

TEST_F(TlsTest, ACertificateThatCannotBeReadIsNamed) {
  options.tls_cert_file = certificates->Key("other");
  const Result<std::unique_ptr<Server>> started = Server::Start(options, handler);
  ASSERT_FALSE(started.ok());
  EXPECT_STREQ(started.error().what, "the TLS certificate cannot be used");
}

TEST_F(TlsTest, AKeyThatDoesNotFitIsKInvalid) {
  options.tls_key_file = certificates->Key("other");
  const Result<std::unique_ptr<Server>> started = Server::Start(options, handler);
  ASSERT_FALSE(started.ok());
  EXPECT_EQ(started.error().code, ErrorCode::kInvalid);
}

}  // namespace
}  // namespace till::http
