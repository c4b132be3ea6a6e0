#include "delta/container/scan.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "delta/container/archive.h"
#include "delta/container/fit.h"
#include "delta/container/squashfs.h"
#include "delta/container/streams.h"

namespace till::delta {
namespace {

constexpr unsigned kMaxTrials = 4096;

using Reader = std::optional<Container> (*)(ByteView image, uint64_t start);

struct Signature {
  std::string_view bytes;
  uint64_t at;  // of the signature, from the container's start
  Reader read;
};

constexpr Signature kSignatures[] = {
    {"hsqs", 0, ReadSquashfs},
    {"\xd0\x0d\xfe\xed", 0, ReadFit},
    {"\x27\x05\x19\x56", 0, ReadUimage},
    {"\x1f\x8b\x08", 0, ReadGzip},
    {std::string_view("\xfd"
                      "7zXZ\0",
                      6),
     0, ReadXz},
    {"070701", 0, ReadCpio},
    {"070702", 0, ReadCpio},
    {"ustar", 257, ReadTar},
};

const Signature* SignatureAt(ByteView image, uint64_t at) {
  for (const Signature& signature : kSignatures) {
    const std::string_view bytes = signature.bytes;
    if (at < signature.at || bytes.size() > image.size() - at) continue;
    if (std::memcmp(image.data() + at, bytes.data(), bytes.size()) == 0) return &signature;
  }
  return nullptr;
}

void Append(Container& container, uint64_t start, ScanResult& result) {
  const auto shift = static_cast<uint32_t>(result.blocks.size());
  for (ContainedFile& file : container.files) {
    for (Extent& extent : file.extents) {
      if (extent.kind == Extent::Kind::kBlock) extent.block += shift;
    }
    result.files.push_back(std::move(file));
  }
  result.blocks.insert(result.blocks.end(), container.blocks.begin(), container.blocks.end());
  result.containers.push_back(container.name + " at " + std::to_string(start));
}

}  // namespace

ScanResult ScanForContainers(ByteView image) {
  ScanResult result;
  unsigned trials = 0;
  uint64_t free_from = 0;  // behind the containers found so far
  for (uint64_t at = 0; at < image.size() && trials < kMaxTrials;) {
    const Signature* signature = SignatureAt(image, at);
    if (signature == nullptr || at - signature->at < free_from) {
      ++at;
      continue;
    }
    ++trials;
    const uint64_t start = at - signature->at;
    std::optional<Container> container = signature->read(image, start);
    if (!container || container->span == 0) {
      ++at;
      continue;
    }
    Append(*container, start, result);
    free_from = start + container->span;
    at = std::max(at + 1, free_from);
  }
  return result;
}

}  // namespace till::delta
