// Property: a body gives the same parts and the same verdict however it is cut, and names never hold a folder.
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <string>

#include "server/front/multipart.h"

namespace {

class Recorder : public till::front::PartVisitor {
 public:
  till::Status OnPart(const till::front::PartHead& head) override {
    assert(head.filename.find_first_of("/\\") == std::string::npos);
    text += "<" + head.name + "|" + head.filename + ">";
    return till::Ok();
  }
  till::Status OnPartData(till::ByteView bytes) override {
    text += till::AsText(bytes);
    return till::Ok();
  }
  till::Status OnPartEnd() override {
    text += ";";
    return till::Ok();
  }
  std::string text;
};

std::string Run(std::string_view body, size_t step) {
  Recorder recorder;
  till::front::MultipartParser parser("b", recorder);
  for (size_t at = 0; at < body.size(); at += step) {
    if (!parser.Write(till::AsBytes(body.substr(at, step))).ok()) return "refused";
  }
  return parser.Finish().ok() ? recorder.text : "refused";
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > 20'000) return 0;
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  const std::string whole = Run(body, size + 1);
  const std::string cut = Run(body, 1 + size % 7);
  assert(whole == cut);
  return 0;
}
