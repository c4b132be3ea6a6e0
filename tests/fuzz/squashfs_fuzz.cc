// Any bytes open as an image; the seeds are squashfs of every compressor.
#include "tests/fuzz/open_image.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return till::delta::fuzzing::OpenAnyImage(data, size);
}
