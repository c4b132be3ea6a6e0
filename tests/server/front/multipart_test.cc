#include "server/front/multipart.h"

#include <gtest/gtest.h>

namespace till::front {
namespace {

class Recorder : public PartVisitor {
 public:
  Status OnPart(const PartHead& head) override {
    text += "<" + head.name + (head.is_file ? "|" + head.filename : "") + ">";
    return Ok();
  }
  Status OnPartData(ByteView bytes) override {
    EXPECT_FALSE(bytes.empty());
    text += AsText(bytes);
    return Ok();
  }
  Status OnPartEnd() override {
    text += ";";
    return Ok();
  }
  std::string text;
};

struct Outcome {
  bool ok = false;
  ErrorCode code = ErrorCode::kInvalid;
  std::string text;
};

Outcome Parse(std::string_view body, size_t step) {
  Recorder recorder;
  MultipartParser parser("XyZ", recorder);
  for (size_t at = 0; at < body.size(); at += step) {
    const Status written = parser.Write(AsBytes(body.substr(at, step)));
    if (!written.ok()) return {false, written.error().code, recorder.text};
  }
  const Status finished = parser.Finish();
  return {finished.ok(), finished.ok() ? ErrorCode::kInvalid : finished.error().code, recorder.text};
}

struct Case {
  const char* name;
  std::string body;
  std::string expected;
};

std::vector<Case> GoodCases() {
  const std::string file_head = "Content-Disposition: form-data; name=\"file\"; filename=\"a.swu\"\r\n\r\n";
  return {
      {"one file", "--XyZ\r\n" + file_head + "bytes\r\n--XyZ--\r\n", "<file|a.swu>bytes;"},
      {"no line break at the end", "--XyZ\r\n" + file_head + "bytes\r\n--XyZ--", "<file|a.swu>bytes;"},
      {"preamble and epilogue", "hello\r\n--XyZ\r\n" + file_head + "b\r\n--XyZ--\r\nbye", "<file|a.swu>b;"},
      {"empty file", "--XyZ\r\n" + file_head + "\r\n--XyZ--\r\n", "<file|a.swu>;"},
      {"blanks after the delimiter", "--XyZ \t\r\n" + file_head + "b\r\n--XyZ--\r\n", "<file|a.swu>b;"},
      {"fields before and after",
       "--XyZ\r\nContent-Disposition: form-data; name=md5sum\r\n\r\nabc\r\n--XyZ\r\n" + file_head +
           "b\r\n--XyZ\r\ncontent-disposition: form-data; name=\"sha1sum\"\r\n\r\ndef\r\n--XyZ--\r\n",
       "<md5sum>abc;<file|a.swu>b;<sha1sum>def;"},
      {"unquoted filename", "--XyZ\r\nContent-Disposition: form-data; name=file; filename=a.bin\r\n\r\nb\r\n--XyZ--",
       "<file|a.bin>b;"},
      {"quoted quotes",
       "--XyZ\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\\\"b;c.bin\"\r\n\r\nb\r\n--XyZ--",
       "<file|a\"b;c.bin>b;"},
      {"folder in the name",
       "--XyZ\r\nContent-Disposition: form-data; name=\"file\"; filename=\"C:\\x\\..\\a.bin\"\r\n\r\nb\r\n--XyZ--",
       "<file|a.bin>b;"},
      {"climbing name",
       "--XyZ\r\nContent-Disposition: form-data; name=\"file\"; filename=\"../../etc/passwd\"\r\n\r\nb\r\n--XyZ--",
       "<file|passwd>b;"},
      {"near misses in the data", "--XyZ\r\n" + file_head + "\r\n--Xy\r\r\n-\r\n--XyQ\r\n\r\n--XyZ--",
       "<file|a.swu>\r\n--Xy\r\r\n-\r\n--XyQ\r\n;"},
      {"no headers", "--XyZ\r\n\r\nb\r\n--XyZ--", "<>b;"},
  };
}

TEST(Multipart, GivesTheSameForEveryCut) {
  for (const Case& c : GoodCases()) {
    for (size_t step = 1; step <= c.body.size(); ++step) {
      const Outcome got = Parse(c.body, step);
      ASSERT_TRUE(got.ok) << c.name << " in steps of " << step;
      ASSERT_EQ(got.text, c.expected) << c.name << " in steps of " << step;
    }
    for (size_t cut = 1; cut < c.body.size(); ++cut) {
      Recorder recorder;
      MultipartParser parser("XyZ", recorder);
      ASSERT_TRUE(parser.Write(AsBytes(std::string_view(c.body).substr(0, cut))).ok()) << c.name << " cut at " << cut;
      ASSERT_TRUE(parser.Write(AsBytes(std::string_view(c.body).substr(cut))).ok()) << c.name << " cut at " << cut;
      ASSERT_TRUE(parser.Finish().ok()) << c.name << " cut at " << cut;
      ASSERT_EQ(recorder.text, c.expected) << c.name << " cut at " << cut;
    }
  }
}

TEST(Multipart, RefusesABodyThatEndsEarly) {
  const std::string body = GoodCases()[5].body;
  const size_t whole = body.rfind("--") + 2;
  for (size_t cut = 0; cut < whole; ++cut) EXPECT_FALSE(Parse(body.substr(0, cut), 7).ok) << "cut at " << cut;
}

TEST(Multipart, RefusesWhatPassesItsBounds) {
  std::string many;
  for (int i = 0; i < 17; ++i) many += "--XyZ\r\n\r\nb\r\n";
  const Case cases[] = {
      {"too many parts", many + "--XyZ--", "limit"},
      {"endless headers", "--XyZ\r\nA: " + std::string(9000, 'a') + "\r\n\r\nb\r\n--XyZ--", "limit"},
      {"endless headers without an end", "--XyZ\r\nA: " + std::string(90000, 'a'), "limit"},
      {"text after the delimiter", "--XyZtail\r\n\r\nb\r\n--XyZ--", "invalid"},
      {"endless text after the delimiter", "--XyZ" + std::string(200, ' '), "invalid"},
      {"bare line feed", "--XyZ\n\nb\n--XyZ--", "invalid"},
      {"header without colon", "--XyZ\r\nnonsense\r\n\r\nb\r\n--XyZ--", "invalid"},
      {"NUL in a header", std::string("--XyZ\r\nA: \0\r\n\r\nb\r\n--XyZ--", 25), "invalid"},
      {"another boundary", "--Other\r\n\r\nb\r\n--Other--", "invalid"},
  };
  for (const Case& c : cases) {
    for (const size_t step : {size_t{1}, size_t{64}, c.body.size()}) {
      const Outcome got = Parse(c.body, step);
      EXPECT_FALSE(got.ok) << c.name;
      EXPECT_EQ(ErrorCodeName(got.code), c.expected) << c.name << " in steps of " << step;
    }
  }
}

TEST(Multipart, PassesTheVisitorsErrorOn) {
  class Full : public Recorder {
    Status OnPartData(ByteView) override { return Error{ErrorCode::kLimit, "full", 0}; }
  } full;
  MultipartParser parser("XyZ", full);
  EXPECT_EQ(parser.Write(AsBytes(GoodCases()[0].body)).error().code, ErrorCode::kLimit);
}

TEST(Multipart, ReadsTheBoundary) {
  EXPECT_EQ(*MultipartBoundary("multipart/form-data; boundary=XyZ"), "XyZ");
  EXPECT_EQ(*MultipartBoundary("Multipart/Form-Data; charset=utf-8; boundary=\"a b:c\""), "a b:c");
  for (const char* bad : {"", "text/plain; boundary=x", "multipart/form-data",
                          "multipart/form-data; boundary=", "multipart/form-data; boundary=\"\x01\""}) {
    EXPECT_FALSE(MultipartBoundary(bad).ok()) << bad;
  }
  EXPECT_FALSE(MultipartBoundary("multipart/form-data; boundary=" + std::string(71, 'b')).ok());
}

}  // namespace
}  // namespace till::front
