#include "delta/container/scan.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <optional>

#include "delta/container/archive.h"
#include "delta/container/decode.h"
#include "delta/container/fit.h"
#include "delta/container/squashfs.h"
#include "delta/container/streams.h"

namespace till::delta {
namespace {

constexpr unsigned kMaxTrials = 4096;
constexpr unsigned kMaxContainers = 16384;
constexpr uint64_t kShortestContainerBytes = 64;
// Files may claim the same bytes again and again: so many times the image is searched in all.
constexpr uint64_t kSearchesOfImage = 2 * kMaxContainerDepth;

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

// "/lib/x" of a container that is the file "/root" is "/root!/lib/x"; tables stay tables.
std::string PathIn(const std::string& outer, const std::string& path) {
  if (outer.empty()) return path;
  const std::string_view name = std::string_view(outer).substr(outer.starts_with(':') ? 1 : 0);
  if (path.starts_with(':')) return path + " in " + std::string(name);
  return (name.starts_with('/') ? "" : "/") + std::string(name) + "!" + path;
}

struct Span {
  uint64_t begin = 0;
  uint64_t end = 0;
};

class Scanner {
 public:
  explicit Scanner(ByteView image) : image_(image), left_to_search_(kSearchesOfImage * image.size()) {}

  ScanResult Run() {
    Search({0, image_.size()}, "", 0);
    KeepOrderedBlocks();
    return std::move(result_);
  }

 private:
  // Where containers were found, ascending.
  std::vector<Span> Search(Span in, const std::string& outer, unsigned depth) {
    std::vector<Span> found;
    if (in.end - in.begin > left_to_search_) return found;
    left_to_search_ -= in.end - in.begin;
    const ByteView image = image_.first(in.end);
    uint64_t free_from = in.begin;  // behind the containers found so far
    for (uint64_t at = in.begin; at < in.end && trials_ < kMaxTrials && containers_ < kMaxContainers;) {
      const Signature* signature = SignatureAt(image, at);
      if (signature == nullptr || at < free_from + signature->at) {
        ++at;
        continue;
      }
      const uint64_t start = at - signature->at;
      std::optional<Container> container = signature->read(image, start);
      if (!container || container->span == 0) {
        ++trials_;
        ++at;
        continue;
      }
      ++containers_;
      free_from = std::min(start + container->span, in.end);
      found.push_back({start, free_from});
      Take(*container, start, outer, depth);
      at = std::max(at + 1, free_from);
    }
    return found;
  }

  void Take(Container& container, uint64_t start, const std::string& outer, unsigned depth) {
    const auto shift = static_cast<uint32_t>(result_.blocks.size());
    result_.blocks.insert(result_.blocks.end(), container.blocks.begin(), container.blocks.end());
    std::string where = container.name + " at " + std::to_string(start);
    if (!outer.empty()) where += " in " + outer;
    result_.containers.push_back(std::move(where));
    for (ContainedFile& file : container.files) {
      for (Extent& extent : file.extents) {
        if (extent.kind == Extent::Kind::kBlock) extent.block += shift;
      }
      file.path = PathIn(outer, file.path);
      for (std::string& alias : file.aliases) alias = PathIn(outer, alias);
      if (depth + 1 < kMaxContainerDepth) SearchRaw(file, depth + 1);
      if (depth + 1 < kMaxContainerDepth && container.of_streams) SearchStream(file);
      if (!file.extents.empty()) result_.files.push_back(std::move(file));
    }
  }

  // Containers where the file lies as it is take their bytes from it.
  void SearchRaw(ContainedFile& file, unsigned depth) {
    std::vector<Extent> kept;
    for (size_t i = 0; i < file.extents.size();) {
      Extent run = file.extents[i++];
      if (run.kind == Extent::Kind::kRaw) {
        while (i < file.extents.size() && Follows(run, file.extents[i])) run.length += file.extents[i++].length;
      }
      if (run.kind != Extent::Kind::kRaw || run.length < kShortestContainerBytes) {
        kept.push_back(run);
      } else {
        KeepOutside(Search({run.offset, run.offset + run.length}, file.path, depth), run, kept);
      }
    }
    SetExtents(std::move(kept), file);
  }

  static bool Follows(const Extent& run, const Extent& next) {
    return next.kind == Extent::Kind::kRaw && next.offset == run.offset + run.length;
  }

  static void KeepOutside(const std::vector<Span>& found, const Extent& of, std::vector<Extent>& kept) {
    uint64_t at = of.offset;
    const auto keep_until = [&](uint64_t end) {
      if (end > at) kept.push_back({of.kind, of.block, at, end - at});
    };
    for (const Span& span : found) {
      keep_until(span.begin);
      at = span.end;
    }
    keep_until(of.offset + of.length);
  }

  static void SetExtents(std::vector<Extent> extents, ContainedFile& file) {
    file.extents = std::move(extents);
    file.size = 0;
    for (const Extent& extent : file.extents) file.size += extent.length;
  }

  // A stream that is one archive from its first byte on: the archive's files lie in its block.
  void SearchStream(ContainedFile& file) {
    if (file.extents.size() != 1 || file.extents[0].kind != Extent::Kind::kBlock) return;
    const Extent whole = file.extents[0];
    const CodedBlock& coded = result_.blocks[whole.block];
    Bytes plain(coded.plain_bytes);
    if (!DecodeBlock(coded, image_.subspan(coded.offset, coded.coded_bytes), plain).ok()) return;
    std::optional<Container> archive = ReadCpio(plain, 0);
    if (!archive) archive = ReadTar(plain, 0);
    if (!archive || archive->files.empty()) return;
    result_.containers.push_back(archive->name + " in " + file.path);
    std::vector<Span> found;
    for (ContainedFile& inner : archive->files) {
      const Extent at = inner.extents[0];
      found.push_back({at.offset, at.offset + at.length});
      inner.extents[0] = {Extent::Kind::kBlock, whole.block, at.offset, at.length};
      inner.path = PathIn(file.path, inner.path);
      result_.files.push_back(std::move(inner));
    }
    std::vector<Extent> headers;
    KeepOutside(found, whole, headers);
    SetExtents(std::move(headers), file);
  }

  // The blocks that do not overlap, in order; files that name another are dropped.
  void KeepOrderedBlocks() {
    std::vector<uint32_t> order(result_.blocks.size());
    std::iota(order.begin(), order.end(), 0);
    const std::vector<CodedBlock> all = std::move(result_.blocks);
    std::stable_sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) { return all[a].offset < all[b].offset; });
    constexpr uint32_t kDropped = ~uint32_t{0};
    std::vector<uint32_t> index(all.size(), kDropped);
    result_.blocks.clear();
    uint64_t end = 0;
    for (const uint32_t i : order) {
      if (all[i].offset < end) continue;
      end = all[i].offset + all[i].coded_bytes;
      index[i] = static_cast<uint32_t>(result_.blocks.size());
      result_.blocks.push_back(all[i]);
    }
    std::erase_if(result_.files, [&](ContainedFile& file) {
      for (Extent& extent : file.extents) {
        if (extent.kind != Extent::Kind::kBlock) continue;
        extent.block = index[extent.block];
        if (extent.block == kDropped) return true;
      }
      return false;
    });
  }

  ByteView image_;
  ScanResult result_;
  uint64_t left_to_search_;
  unsigned trials_ = 0;
  unsigned containers_ = 0;
};

}  // namespace

ScanResult ScanForContainers(ByteView image) { return Scanner(image).Run(); }

}  // namespace till::delta
