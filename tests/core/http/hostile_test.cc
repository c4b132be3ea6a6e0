// covers W01 W02 W04
// Byte-exact requests that no honest client sends: each is refused as the table says and its connection ends, so that
// nothing behind it is taken for a request of its own; and the next client is served.
#include <gtest/gtest.h>

#include "tests/core/http/handler_for_tests.h"
#include "tests/core/http/raw_socket.h"

namespace till::http {
namespace {

struct Hostile {
  const char* name;
  std::string bytes;
  int status;
};

// What a smuggler hopes to have served as a second request.
const std::string kSmuggled = "GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n";

std::string Post(const std::string& fields, const std::string& body = "") {
  return "POST /p HTTP/1.1\r\nHost: h\r\n" + fields + "\r\n" + body;
}
std::string Chunks(const std::string& body) { return Post("Transfer-Encoding: chunked\r\n", body); }
std::string Line(const std::string& line) { return line + "\r\nHost: h\r\n\r\n"; }
std::string With(const std::string& field) { return "GET / HTTP/1.1\r\nHost: h\r\n" + field + "\r\n\r\n"; }
std::string Nul() { return std::string(1, '\0'); }

std::vector<Hostile> Framings() {
  const std::string zero = "0\r\n\r\n";
  return {
      {"CL and TE", Post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", zero + kSmuggled), 400},
      {"TE and CL", Post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", zero + kSmuggled), 400},
      {"two CL", Post("Content-Length: 0\r\nContent-Length: 5\r\n", kSmuggled), 400},
      {"two equal CL", Post("Content-Length: 5\r\nContent-Length: 5\r\n", "hello" + kSmuggled), 400},
      {"CL list", Post("Content-Length: 5,5\r\n", "hello" + kSmuggled), 400},
      {"CL list, spaced", Post("Content-Length: 5, 5\r\n", "hello" + kSmuggled), 400},
      {"CL plus", Post("Content-Length: +5\r\n", "hello" + kSmuggled), 400},
      {"CL minus", Post("Content-Length: -5\r\n", kSmuggled), 400},
      {"CL minus zero", Post("Content-Length: -0\r\n", kSmuggled), 400},
      {"CL hex", Post("Content-Length: 0x5\r\n", "hello" + kSmuggled), 400},
      {"CL float", Post("Content-Length: 5.0\r\n", "hello" + kSmuggled), 400},
      {"CL exponent", Post("Content-Length: 5e0\r\n", "hello" + kSmuggled), 400},
      {"CL empty", Post("Content-Length:\r\n", kSmuggled), 400},
      {"CL letters", Post("Content-Length: five\r\n", kSmuggled), 400},
      {"CL inner space", Post("Content-Length: 5 0\r\n", kSmuggled), 400},
      {"CL quoted", Post("Content-Length: \"5\"\r\n", kSmuggled), 400},
      {"CL beyond 64 bits", Post("Content-Length: 18446744073709551621\r\n", "hello" + kSmuggled), 400},
      {"CL of many digits", Post("Content-Length: 00000000000000000005\r\n", "hello" + kSmuggled), 400},
      {"CL too large", Post("Content-Length: 999999999999\r\n", kSmuggled), 413},
      {"CL space before colon", Post("Content-Length : 5\r\n", "hello" + kSmuggled), 400},
      {"CL tab before colon", Post("Content-Length\t: 5\r\n", "hello" + kSmuggled), 400},
      {"CL led by a space", Post(" Content-Length: 5\r\n", "hello" + kSmuggled), 400},
      {"CL with VT", Post("Content-Length: \v5\r\n", "hello" + kSmuggled), 400},
      {"CL in an absolute wide digit", Post("Content-Length: \xef\xbc\x95\r\n", "hello" + kSmuggled), 400},
      {"TE identity", Post("Transfer-Encoding: identity\r\n", kSmuggled), 400},
      {"TE xchunked", Post("Transfer-Encoding: xchunked\r\n", zero + kSmuggled), 400},
      {"TE chunked twice", Post("Transfer-Encoding: chunked, chunked\r\n", zero + kSmuggled), 400},
      {"TE two fields", Post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", zero + kSmuggled), 400},
      {"TE chunked then other", Post("Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n", zero + kSmuggled), 400},
      {"TE gzip, chunked", Post("Transfer-Encoding: gzip, chunked\r\n", zero + kSmuggled), 400},
      {"TE chunked, identity", Post("Transfer-Encoding: chunked, identity\r\n", zero + kSmuggled), 400},
      {"TE upper case", Post("Transfer-Encoding: CHUNKED\r\n", zero + kSmuggled), 400},
      {"TE parameter", Post("Transfer-Encoding: chunked;q=1\r\n", zero + kSmuggled), 400},
      {"TE quoted", Post("Transfer-Encoding: \"chunked\"\r\n", zero + kSmuggled), 400},
      {"TE empty", Post("Transfer-Encoding:\r\n", zero + kSmuggled), 400},
      {"TE with VT", Post("Transfer-Encoding: \vchunked\r\n", zero + kSmuggled), 400},
      {"TE with FF", Post("Transfer-Encoding: chunked\f\r\n", zero + kSmuggled), 400},
      {"TE with NUL", Post("Transfer-Encoding: chunked" + Nul() + "\r\n", zero + kSmuggled), 400},
      {"TE space before colon", Post("Transfer-Encoding : chunked\r\n", zero + kSmuggled), 400},
      {"TE folded", Post("Transfer-Encoding:\r\n chunked\r\n", zero + kSmuggled), 400},
      {"TE after bare CR", Post("X: y\rTransfer-Encoding: chunked\r\n", zero + kSmuggled), 400},
      {"TE after bare LF", Post("X: y\nTransfer-Encoding: chunked\r\n", zero + kSmuggled), 400},
      {"TE in 1.0", "POST / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + zero, 400},
  };
}

std::vector<Hostile> ChunkedBodies() {
  return {
      {"chunk size empty", Chunks("\r\nhello\r\n0\r\n\r\n"), 400},
      {"chunk size not hex", Chunks("g\r\nhello\r\n0\r\n\r\n"), 400},
      {"chunk size minus", Chunks("-5\r\nhello\r\n0\r\n\r\n"), 400},
      {"chunk size plus", Chunks("+5\r\nhello\r\n0\r\n\r\n"), 400},
      {"chunk size 0x", Chunks("0x5\r\nhello\r\n0\r\n\r\n"), 400},
      {"chunk size spaced", Chunks(" 5\r\nhello\r\n0\r\n\r\n"), 400},
      {"chunk size, space behind", Chunks("5 \r\nhello\r\n0\r\n\r\n"), 400},
      {"chunk size beyond 64 bits", Chunks("10000000000000005\r\nhello\r\n0\r\n\r\n"), 400},
      {"chunk size too large", Chunks("fffffffffffffff\r\nhello"), 413},
      {"chunk extension", Chunks("5;a=b\r\nhello\r\n0\r\n\r\n"), 400},
      {"chunk extension with LF", Chunks("5;a\nhello\r\n0\r\n\r\n"), 400},
      {"chunk size bare LF", Chunks("5\nhello\r\n0\r\n\r\n"), 400},
      {"chunk size bare CR", Chunks("5\rhello\r\n0\r\n\r\n"), 400},
      {"chunk longer than said", Chunks("5\r\nhello!\r\n0\r\n\r\n"), 400},
      {"chunk ends with LF", Chunks("5\r\nhello\n0\r\n\r\n"), 400},
      {"chunk ends with CR X", Chunks("5\r\nhello\rX0\r\n\r\n"), 400},
      {"last chunk ends with LF", Chunks("0\r\n\n" + kSmuggled), 400},
      {"trailer without CR", Chunks("0\r\nX: y\n\r\n"), 400},
      {"trailer folded", Chunks("0\r\n X: y\r\n\r\n"), 400},
      {"trailer with NUL", Chunks("0\r\nX: " + Nul() + "\r\n\r\n"), 400},
      {"trailer too long", Chunks("0\r\nX: " + std::string(5000, 'a')), 400},
  };
}

std::vector<Hostile> Lines() {
  return {
      {"bare LF everywhere", "GET / HTTP/1.1\nHost: h\n\n", 400},
      {"bare LF in the request line", "GET / HTTP/1.1\nHost: h\r\n\r\n", 400},
      {"bare LF in a header", "GET / HTTP/1.1\r\nHost: h\nX: y\r\n\r\n", 400},
      {"bare LF as the end", "GET / HTTP/1.1\r\nHost: h\r\n\n", 400},
      {"bare CR in the request line", "GET / \rHTTP/1.1\r\nHost: h\r\n\r\n", 400},
      {"bare CR in a header", With("X: a\rb"), 400},
      {"CR CR LF", "GET / HTTP/1.1\r\nHost: h\r\r\n\r\n", 400},
      {"empty line first", "\r\n" + Get("/"), 400},
      {"LF first", "\n" + Get("/"), 400},
      {"space first", " " + Get("/"), 400},
      {"fold", With("X: a\r\n b"), 400},
      {"fold by tab", With("X: a\r\n\tb"), 400},
      {"fold of the first header", "GET / HTTP/1.1\r\n Host: h\r\n\r\n", 400},
      {"no Host", "GET / HTTP/1.1\r\n\r\n", 400},
      {"no Host in 1.0", "GET / HTTP/1.0\r\n\r\n", 400},
      {"two Hosts", With("Host: h"), 400},
      {"two different Hosts", With("host: other"), 400},
      {"Host empty", "GET / HTTP/1.1\r\nHost:\r\n\r\n", 400},
      {"Host with a path", "GET / HTTP/1.1\r\nHost: h/x\r\n\r\n", 400},
      {"Host with a user", "GET / HTTP/1.1\r\nHost: u@h\r\n\r\n", 400},
      {"Host list", "GET / HTTP/1.1\r\nHost: h, other\r\n\r\n", 400},
      {"Host with a space", "GET / HTTP/1.1\r\nHost: h other\r\n\r\n", 400},
      {"Host led by a space", "GET / HTTP/1.1\r\nX: y\r\n Host: h\r\n\r\n", 400},
      {"NUL in a value", With("X: a" + Nul() + "b"), 400},
      {"NUL in a name", With("X" + Nul() + ": a"), 400},
      {"NUL in the target", Line("GET /a" + Nul() + " HTTP/1.1"), 400},
      {"NUL first", Nul() + Get("/"), 400},
      {"ESC in a value", With("X: \x1b[31m"), 400},
      {"DEL in a value", With("X: \x7f"), 400},
      {"BEL in a value", With("X: \x07"), 400},
      {"space before colon", With("X : y"), 400},
      {"space in a name", With("X Y: z"), 400},
      {"name empty", With(": y"), 400},
      {"no colon", With("X"), 400},
      {"name with a quote", With("\"X\": y"), 400},
      {"name with brackets", With("X[0]: y"), 400},
      {"name not ASCII", With("X\xc3\xa9: y"), 400},
      {"huge header", With("X: " + std::string(64 << 10, 'a')), 431},
      {"huge header without an end", "GET / HTTP/1.1\r\nHost: h\r\nX: " + std::string(64 << 10, 'a'), 431},
      {"huge target", Line("GET /" + std::string(64 << 10, 'a') + " HTTP/1.1"), 414},
      {"huge method", std::string(64 << 10, 'A'), 414},
      {"too many headers",
       [] {
         std::string many;
         for (int i = 0; i < 100; ++i) many += "X: y\r\n";
         return Get("/", many);
       }(),
       431},
      {"unknown expectation", Post("Content-Length: 1\r\nExpect: 200-ok\r\n"), 417},
  };
}

std::vector<Hostile> RequestLines() {
  return {
      {"no version", Line("GET /"), 400},
      {"version 0.9", Line("GET / HTTP/0.9"), 505},
      {"version 1.2", Line("GET / HTTP/1.2"), 505},
      {"version 2.0", Line("GET / HTTP/2.0"), 505},
      {"version 1.10", Line("GET / HTTP/1.10"), 400},
      {"version 01.1", Line("GET / HTTP/01.1"), 400},
      {"version lower case", Line("GET / http/1.1"), 400},
      {"version with a letter", Line("GET / HTTP/1.x"), 400},
      {"version of another protocol", Line("GET / HTTQ/1.1"), 400},
      {"space behind the version", Line("GET / HTTP/1.1 "), 400},
      {"HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
      {"TLS hello", std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n", 12), 400},
      {"two spaces", Line("GET  / HTTP/1.1"), 400},
      {"tab for a space", Line("GET\t/\tHTTP/1.1"), 400},
      {"two targets", Line("GET / /x HTTP/1.1"), 400},
      {"method lower case", Line("get / HTTP/1.1"), 501},
      {"method unknown", Line("BREW / HTTP/1.1"), 501},
      {"method with a separator", Line("G{T / HTTP/1.1"), 400},
      {"TRACE", Line("TRACE / HTTP/1.1"), 405},
      {"CONNECT", Line("CONNECT h:443 HTTP/1.1"), 405},
      {"asterisk with GET", Line("GET * HTTP/1.1"), 400},
      {"relative target", Line("GET a HTTP/1.1"), 400},
      {"absolute-form, other host", Line("GET http://other/ HTTP/1.1"), 400},
      {"absolute-form, user", Line("GET http://h@other/ HTTP/1.1"), 400},
      {"absolute-form, other scheme", Line("GET file://h/etc/passwd HTTP/1.1"), 400},
      {"authority-form", Line("GET h:80 HTTP/1.1"), 400},
      {"fragment", Line("GET /a#b HTTP/1.1"), 400},
      {"percent 00", Line("GET /a%00b HTTP/1.1"), 400},
      {"percent 0d0a", Line("GET /a%0d%0aX:%20y HTTP/1.1"), 400},
      {"dots", Line("GET /../etc/passwd HTTP/1.1"), 400},
      {"percent 2e", Line("GET /%2e%2e/etc/passwd HTTP/1.1"), 400},
      {"percent 2f", Line("GET /..%2fetc/passwd HTTP/1.1"), 400},
      {"percent 252e", Line("GET /%252e%252e/etc/passwd HTTP/1.1"), 400},
      {"backslash", Line("GET /..\\etc HTTP/1.1"), 400},
      {"percent 5c", Line("GET /..%5cetc HTTP/1.1"), 400},
      {"overlong UTF-8", Line("GET /%c0%ae%c0%ae/ HTTP/1.1"), 400},
      {"overlong UTF-8 of three", Line("GET /%e0%80%ae/ HTTP/1.1"), 400},
      {"UTF-8 surrogate", Line("GET /%ed%a0%80 HTTP/1.1"), 400},
      {"raw UTF-8", Line("GET /\xc3\xa9 HTTP/1.1"), 400},
      {"broken escape", Line("GET /%zz HTTP/1.1"), 400},
      {"cut escape", Line("GET /%4 HTTP/1.1"), 400},
      {"escape %u", Line("GET /%u002e HTTP/1.1"), 400},
      {"two slashes", Line("GET //other/ HTTP/1.1"), 400},
      {"broken escape in the query", Line("GET /?a=%g0 HTTP/1.1"), 400},
  };
}

class HostileTest : public ServerTest, public ::testing::WithParamInterface<std::vector<Hostile> (*)()> {};

TEST_P(HostileTest, IsRefusedAndItsConnectionEnds) {
  options.loops = 1;
  std::atomic<int> smuggled{0};
  handler.on_request = [&](const std::shared_ptr<Exchange>& exchange) {
    if (exchange->request().path == "/smuggled") ++smuggled;
    exchange->Respond(TextResponse(200, "ok\n"));
  };
  Start();
  for (const Hostile& hostile : GetParam()()) {
    RawConnection client(port());
    client.Send(hostile.bytes);
    client.Send(kSmuggled);
    const std::string response = client.ReadAll();
    EXPECT_EQ(StatusOf(response), hostile.status) << hostile.name;
    EXPECT_NE(response.find("\r\nConnection: close\r\n"), std::string::npos) << hostile.name;
    EXPECT_EQ(response.find("HTTP/1.1", 1), std::string::npos) << hostile.name << ": a second answer";
    RawConnection next(port());
    ASSERT_TRUE(next.Send(Get("/")));
    EXPECT_EQ(StatusOf(next.ReadResponse()), 200) << "after " << hostile.name;
  }
  EXPECT_EQ(smuggled, 0);
}

INSTANTIATE_TEST_SUITE_P(Table, HostileTest, ::testing::Values(&Framings, &ChunkedBodies, &Lines, &RequestLines));

TEST(HostileTable, IsLongEnough) {
  EXPECT_GE(Framings().size() + ChunkedBodies().size() + Lines().size() + RequestLines().size(), 150U);
}

}  // namespace
}  // namespace till::http
