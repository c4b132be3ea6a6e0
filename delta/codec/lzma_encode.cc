#include "delta/codec/lzma_encode.h"

#include <lzma.h>

namespace till::delta {

Bytes EncodeLzma(ByteView plain, const LzmaProperties& properties, unsigned window_log) {
  lzma_options_lzma options;
  if (plain.size() < 2 || lzma_lzma_preset(&options, 9 | LZMA_PRESET_EXTREME) != 0) return {};
  options.dict_size = uint32_t{1} << window_log;
  options.lc = properties.lc;
  options.lp = properties.lp;
  options.pb = properties.pb;
  options.ext_flags = 0;  // no end marker
  options.ext_size_low = static_cast<uint32_t>(plain.size());
  options.ext_size_high = static_cast<uint32_t>(uint64_t{plain.size()} >> 32);
  const lzma_filter filters[2] = {{LZMA_FILTER_LZMA1EXT, &options}, {LZMA_VLI_UNKNOWN, nullptr}};
  Bytes coded(plain.size() - 1);
  coded[0] = static_cast<std::byte>((properties.pb * 5 + properties.lp) * 9 + properties.lc);
  size_t used = 1;
  const lzma_ret answer =
      lzma_raw_buffer_encode(filters, nullptr, reinterpret_cast<const uint8_t*>(plain.data()), plain.size(),
                             reinterpret_cast<uint8_t*>(coded.data()), &used, coded.size());
  coded.resize(answer == LZMA_OK ? used : 0);
  return coded;
}

}  // namespace till::delta
