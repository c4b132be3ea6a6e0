// covers W02
#include <gtest/gtest.h>

#include "core/http/server.h"
#include "core/text.h"

namespace till::http {
namespace {

std::string Shown(const RangeSelection& selection) {
  if (selection.verdict == RangeVerdict::kWhole) return "whole";
  if (selection.verdict == RangeVerdict::kUnsatisfiable) return "416";
  std::string text;
  for (const ByteRange& range : selection.ranges) {
    text += (text.empty() ? "" : ",") + std::to_string(range.first) + "+" + std::to_string(range.length);
  }
  return text;
}

TEST(SelectRange, ReadsTheHeaderAsTheRfcSays) {
  struct Row {
    const char* header;
    const char* plain;
    const char* strict;
  };
  const std::vector<Row> rows = {{"", "whole", "whole"},
                                 {"bytes=0-9", "0+10", "0+10"},
                                 {"bytes=0-0", "0+1", "0+1"},
                                 {"bytes=10-", "10+90", "10+90"},
                                 {"bytes=-1", "99+1", "99+1"},
                                 {"bytes=-100", "0+100", "0+100"},
                                 {"bytes=-1000", "0+100", "0+100"},
                                 {"bytes=99-", "99+1", "99+1"},
                                 {"bytes=90-1000", "90+10", "90+10"},
                                 {"BYTES=0-1", "0+2", "0+2"},
                                 {"bytes=100-", "416", "416"},
                                 {"bytes=100-200", "416", "416"},
                                 {"bytes=-0", "416", "416"},
                                 {"bytes=18446744073709551615-", "416", "416"},
                                 {"bytes=18446744073709551616-", "416", "416"},
                                 {"bytes=0-18446744073709551616", "0+100", "0+100"},
                                 {"bytes=-99999999999999999999999", "0+100", "0+100"},
                                 {"bytes=5-4", "whole", "416"},
                                 {"bytes=-", "whole", "416"},
                                 {"bytes=", "whole", "416"},
                                 {"bytes", "whole", "416"},
                                 {"bytes=a-b", "whole", "416"},
                                 {"bytes=+1-2", "whole", "416"},
                                 {"bytes=1--2", "whole", "416"},
                                 {"bytes=1-2-3", "whole", "416"},
                                 {"bytes= 1-2", "1+2", "1+2"},
                                 {"bytes=1 -2", "whole", "416"},
                                 {"bytes=0x1-2", "whole", "416"},
                                 {"bytes=--1", "whole", "416"},
                                 {"items=0-1", "whole", "416"},
                                 {"bytes =0-1", "whole", "416"},
                                 {"bytes=,", "whole", "416"},
                                 {"bytes=1.5-2", "whole", "416"},
                                 {"bytes=0-1,5-6", "0+2,5+2", "0+2,5+2"},
                                 {"bytes=5-6,0-1", "0+2,5+2", "0+2,5+2"},
                                 {"bytes=0-1, ,5-6,", "0+2,5+2", "0+2,5+2"},
                                 {"bytes=0-4,5-9", "0+10", "0+10"},
                                 {"bytes=0-5,5-9", "0+10", "416"},
                                 {"bytes=0-,-1", "0+100", "416"},
                                 {"bytes=0-1,200-", "0+2", "416"},
                                 {"bytes=200-,300-", "416", "416"},
                                 {"bytes=0-1,x", "whole", "416"},
                                 {"bytes=0-0,2-2,4-4,6-6", "0+1,2+1,4+1,6+1", "0+1,2+1,4+1,6+1"},
                                 {"bytes=0-0,2-2,4-4,6-6,8-8", "whole", "whole"}};
  for (const Row& row : rows) {
    EXPECT_EQ(Shown(SelectRange(row.header, 100)), row.plain) << row.header;
    EXPECT_EQ(Shown(SelectRange(row.header, 100, true)), row.strict) << row.header;
  }
}

TEST(SelectRange, IsNotMadeToSortThousandsOfRanges) {
  std::string header = "bytes=0-";
  for (int i = 0; i < 1300; ++i) header += ",5-" + std::to_string(i + 6);
  EXPECT_EQ(Shown(SelectRange(header, 100'000)), "whole");
}

TEST(SelectRange, OfAnEmptyObjectIsNeverPartial) {
  for (const char* header : {"bytes=0-", "bytes=0-0", "bytes=-5"}) EXPECT_EQ(Shown(SelectRange(header, 0)), "416");
}

constexpr std::string_view kObject = "0123456789abcdefghij";

class SliceStream : public BodyStream {
 public:
  explicit SliceStream(std::string_view slice) : slice_(slice) {}
  Piece Next() override {
    Piece piece;
    if (slice_.empty()) return piece;
    piece.kind = Piece::Kind::kBytes;
    piece.bytes = slice_.substr(0, 3);
    slice_.remove_prefix(piece.bytes.size());
    return piece;
  }

 private:
  std::string_view slice_;
};

struct Answer {
  int status = 0;
  std::string content_range;
  std::string body;
  Response response;
};

Answer Ask(const std::string& method, std::vector<HeaderField> headers, bool strict = false) {
  Request request;
  request.method = method;
  request.headers = std::move(headers);
  RangeBody body;
  body.size = kObject.size();
  body.etag = "\"tag\"";
  body.strict_syntax = strict;
  body.make_stream = [](uint64_t first, uint64_t length) {
    return std::make_unique<SliceStream>(kObject.substr(first, length));
  };
  Answer answer;
  answer.response = RangeResponse(request, std::move(body));
  answer.status = answer.response.status;
  for (const HeaderField& field : answer.response.headers) {
    if (field.name == "Content-Range") answer.content_range = field.value;
  }
  while (answer.response.stream) {
    const Piece piece = answer.response.stream->Next();
    if (piece.kind != Piece::Kind::kBytes) break;
    answer.body += piece.bytes;
  }
  EXPECT_TRUE(answer.response.stream == nullptr || answer.body.size() == answer.response.stream_length);
  return answer;
}

TEST(RangeResponse, AnswersByTheConditionsInTheirOrder) {
  struct Row {
    std::string method;
    std::vector<HeaderField> headers;
    int status;
    std::string content_range;
    std::string body;
  };
  const std::string whole(kObject);
  const std::vector<Row> rows = {
      {"GET", {}, 200, "", whole},
      {"HEAD", {}, 200, "", ""},
      {"HEAD", {{"Range", "bytes=0-1"}}, 200, "", ""},
      {"GET", {{"Range", "bytes=2-4"}}, 206, "bytes 2-4/20", "234"},
      {"GET", {{"range", "bytes=-2"}}, 206, "bytes 18-19/20", "ij"},
      {"GET", {{"Range", "bytes=20-"}}, 416, "bytes */20", ""},
      {"GET", {{"Range", "bytes=2-4"}, {"Range", "bytes=5-6"}}, 200, "", whole},
      {"GET", {{"Range", "bytes=2-4"}, {"If-Range", "\"tag\""}}, 206, "bytes 2-4/20", "234"},
      {"GET", {{"Range", "bytes=2-4"}, {"If-Range", "W/\"tag\""}}, 200, "", whole},
      {"GET", {{"Range", "bytes=2-4"}, {"If-Range", "\"old\""}}, 200, "", whole},
      {"GET", {{"Range", "bytes=99-"}, {"If-Range", "\"old\""}}, 200, "", whole},
      {"GET", {{"Range", "bytes=2-4"}, {"If-Range", "Sun, 22 Nov 2026 20:15:00 GMT"}}, 200, "", whole},
      {"GET", {{"If-None-Match", "\"tag\""}}, 304, "", ""},
      {"GET", {{"If-None-Match", "\"a\", W/\"tag\""}}, 304, "", ""},
      {"GET", {{"If-None-Match", "*"}}, 304, "", ""},
      {"GET", {{"If-None-Match", "\"other\""}}, 200, "", whole},
      {"GET", {{"If-None-Match", "\"tag\""}, {"Range", "bytes=2-4"}}, 304, "", ""},
      {"GET", {{"If-Match", "\"tag\""}}, 200, "", whole},
      {"GET", {{"If-Match", "tag"}}, 200, "", whole},
      {"GET", {{"If-Match", "*"}}, 200, "", whole},
      {"GET", {{"If-Match", "\"x\", \"tag\""}, {"Range", "bytes=2-4"}}, 206, "bytes 2-4/20", "234"},
      {"GET", {{"If-Match", "W/\"tag\""}}, 412, "", ""},
      {"GET", {{"If-Match", "\"other\""}}, 412, "", ""},
      {"GET", {{"If-Match", "\"other\""}, {"If-None-Match", "\"tag\""}}, 412, "", ""},
  };
  for (const Row& row : rows) {
    const Answer answer = Ask(row.method, row.headers);
    const std::string shown = row.headers.empty() ? row.method : row.headers[0].name + ": " + row.headers[0].value;
    EXPECT_EQ(answer.status, row.status) << shown;
    EXPECT_EQ(answer.content_range, row.content_range) << shown;
    EXPECT_EQ(answer.body, row.body) << shown;
  }
}

TEST(RangeResponse, HawkbitsArtifactPathsRefuseOverlapAndBadSyntax) {
  EXPECT_EQ(Ask("GET", {{"Range", "bytes=0-5,3-9"}}, true).status, 416);
  EXPECT_EQ(Ask("GET", {{"Range", "bytes=x"}}, true).status, 416);
  EXPECT_EQ(Ask("GET", {{"Range", "bytes=0-5,3-9"}}).status, 206);
  EXPECT_EQ(Ask("GET", {{"Range", "bytes=x"}}).status, 200);
}

TEST(RangeResponse, SeveralRangesComeAsParts) {
  const Answer answer = Ask("GET", {{"Range", "bytes=10-12,0-3,-1"}});
  EXPECT_EQ(answer.status, 206);
  std::string boundary;
  for (const HeaderField& field : answer.response.headers) {
    if (field.name == "Content-Type") boundary = field.value.substr(field.value.find('=') + 1);
  }
  const auto part = [&](const char* range, const char* bytes) {
    return "--" + boundary + "\r\nContent-Type: application/octet-stream\r\nContent-Range: bytes " + range +
           "/20\r\n\r\n" + bytes + "\r\n";
  };
  EXPECT_EQ(answer.body, part("0-3", "0123") + part("10-12", "abc") + part("19-19", "j") + "--" + boundary + "--\r\n");
}

TEST(RangeResponse, PartsThatEndEarlyCutTheConnection) {
  Request request;
  request.method = "GET";
  request.headers = {{"Range", "bytes=0-3,10-12"}};
  RangeBody body;
  body.size = kObject.size();
  body.make_stream = [](uint64_t, uint64_t) { return std::make_unique<SliceStream>("x"); };
  Response response = RangeResponse(request, std::move(body));
  EXPECT_EQ(response.stream->Next().kind, Piece::Kind::kBytes);  // the part's head
  EXPECT_EQ(response.stream->Next().kind, Piece::Kind::kBytes);
  EXPECT_EQ(response.stream->Next().kind, Piece::Kind::kAbort);
}

}  // namespace
}  // namespace till::http
