// covers W01
#include "core/http/chunked.h"

#include <gtest/gtest.h>

#include <string>

namespace till::http {
namespace {

struct Decoded {
  bool ok = true;
  bool done = false;
  std::string body;
  size_t used = 0;
};

Decoded DecodeIn(std::string_view input, size_t piece_bytes) {
  ChunkedDecoder decoder;
  Decoded out;
  while (out.used < input.size() && !decoder.done()) {
    const Result<ChunkedDecoder::Step> step = decoder.Feed(input.substr(out.used, piece_bytes));
    if (!step.ok()) {
      out.ok = false;
      return out;
    }
    out.body += step->data;
    out.used += step->used;
  }
  out.done = decoder.done();
  return out;
}

TEST(ChunkedDecoder, GivesTheSameBodyForAnyCutting) {
  const std::string input = "5\r\nhello\r\n0A\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\nnext";
  for (const size_t piece : {1, 2, 3, 7, 16, 1000}) {
    const Decoded decoded = DecodeIn(input, piece);
    EXPECT_TRUE(decoded.done) << piece;
    EXPECT_EQ(decoded.body, "hello0123456789");
    EXPECT_EQ(decoded.used, input.size() - 4);
  }
}

TEST(ChunkedDecoder, RefusesWhatIsNotExactlyAChunkedBody) {
  for (const char* input : {"\r\n",
                            "g\r\n",
                            "-1\r\n",
                            "+1\r\n",
                            "0x1\r\na\r\n0\r\n\r\n",
                            " 1\r\n",
                            "1 \r\n",
                            "1\n",
                            "1\r\r",
                            "1;x\r\n",
                            "1;x=\"\n\"\r\n",
                            "1\t\r\n",
                            "1\r\nab",
                            "1\r\na\n0",
                            "1\r\na\rx",
                            "fffffffffffffffff\r\n",
                            "10000000000000000\r\n",
                            "0000000000000001\r\n",
                            "0\r\n\n",
                            "0\r\n\r\r",
                            "0\r\nX: y\n\r\n",
                            "0\r\n folded\r\n",
                            "0\r\n: y\r\n",
                            "0\r\nX: \x01\r\n"}) {
    for (const size_t piece : {1, 1000}) EXPECT_FALSE(DecodeIn(input, piece).ok) << input;
  }
  EXPECT_FALSE(DecodeIn("0\r\nX: " + std::string(5000, 'a'), 1000).ok);
}

}  // namespace
}  // namespace till::http
