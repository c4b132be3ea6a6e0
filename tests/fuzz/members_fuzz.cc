// The same for what else an image may hold: FIT, uImage, gzip, xz, LZMA, tar and cpio.
#include "tests/fuzz/open_image.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return till::delta::fuzzing::OpenAnyImage(data, size);
}
