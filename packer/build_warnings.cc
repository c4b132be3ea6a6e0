#include "packer/build_warnings.h"

#include <algorithm>
#include <map>
#include <set>

#include "delta/container/expanded_image.h"

namespace till::packer {
namespace {

constexpr uint64_t kMaxFileBytes = 16 << 20;
constexpr size_t kMaxDateBytes = 64;  // a file that changed in more than dates is no warning
constexpr size_t kDateContext = 24;
constexpr size_t kBuildIdBytes = 20;
constexpr const char* kInodeTable = ":squashfs/inodes";

struct Pair {
  Bytes before;
  Bytes after;
  std::vector<size_t> differing;  // offsets
};

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// "12:34" or a year: what a date or a time holds, however it is written.
bool LooksLikeADate(std::string_view text) {
  for (size_t i = 0; i + 4 < text.size(); ++i) {
    const bool time = IsDigit(text[i]) && IsDigit(text[i + 1]) && text[i + 2] == ':' && IsDigit(text[i + 3]);
    const bool year = text[i] == '2' && text[i + 1] == '0' && IsDigit(text[i + 2]) && IsDigit(text[i + 3]) &&
                      (i == 0 || !IsDigit(text[i - 1])) && !IsDigit(text[i + 4]);
    if (time || year) return true;
  }
  return false;
}

// The build id's bytes: a note of 20 bytes whose owner is "GNU" and whose type is 3.
bool OnlyBuildId(const Pair& pair) {
  constexpr std::string_view kNote("\x04\0\0\0\x14\0\0\0\x03\0\0\0GNU\0", 16);
  const std::string_view after = AsText(pair.after);
  if (!after.starts_with("\x7f"
                         "ELF"))
    return false;
  const size_t note = after.find(kNote);
  if (note == std::string_view::npos) return false;
  const size_t start = note + kNote.size();
  return std::all_of(pair.differing.begin(), pair.differing.end(),
                     [&](size_t at) { return at >= start && at < start + kBuildIdBytes; });
}

bool OnlyGzipTime(const Pair& pair) {
  if (!AsText(pair.after).starts_with("\x1f\x8b")) return false;
  return std::all_of(pair.differing.begin(), pair.differing.end(), [](size_t at) { return at >= 4 && at < 8; });
}

bool OnlyDates(const Pair& pair) {
  if (pair.differing.size() > kMaxDateBytes) return false;
  const std::string_view before = AsText(pair.before);
  const std::string_view after = AsText(pair.after);
  return std::all_of(pair.differing.begin(), pair.differing.end(), [&](size_t at) {
    const size_t start = at - std::min(at, kDateContext);
    return LooksLikeADate(before.substr(start, 2 * kDateContext)) &&
           LooksLikeADate(after.substr(start, 2 * kDateContext));
  });
}

uint32_t WordAt(const Bytes& bytes, size_t at) {
  uint32_t word = 0;
  for (size_t i = 4; i-- > 0;) word = word << 8 | std::to_integer<uint32_t>(bytes[at + i]);
  return word;
}

// Inodes whose time changed: a word between 2010 and 2040 in both tables, before the same inode number.
size_t ChangedTimes(const Pair& pair, size_t files) {
  constexpr uint32_t kFirst = 1'262'304'000;
  constexpr uint32_t kLast = 2'208'988'800;
  const auto is_time = [](uint32_t word) { return word >= kFirst && word < kLast; };
  size_t count = 0;
  for (size_t at = 0; at + 8 <= pair.after.size(); ++at) {
    const uint32_t before = WordAt(pair.before, at);
    const uint32_t after = WordAt(pair.after, at);
    const uint32_t number = WordAt(pair.after, at + 4);
    const bool numbered = number == WordAt(pair.before, at + 4) && number > 0 && number < 4 * files + 1000;
    count += before != after && is_time(before) && is_time(after) && numbered ? 1 : 0;
  }
  return count;
}

class Comparison {
 public:
  Comparison(ByteView base, ByteView target)
      : base_(delta::ExpandedImage::Open(base)), target_(delta::ExpandedImage::Open(target)) {
    for (uint32_t i = 0; i < base_.blocks().size(); ++i) known_.insert(AsText(base_.Coded(i)));
    for (const delta::ContainedFile& file : base_.files()) before_[file.path] = &file;
  }

  std::vector<BuildWarning> Look() {
    std::map<std::string, BuildWarning> found;
    for (const delta::ContainedFile& file : target_.files()) {
      const auto old_file = before_.find(file.path);
      if (old_file == before_.end() || old_file->second->size != file.size || file.size > kMaxFileBytes) continue;
      if (Unchanged(file) || found.size() == kMaxBuildWarnings) continue;
      const Pair pair = Compare(*old_file->second, file);
      if (pair.differing.empty()) continue;
      const BuildWarning warning = Judge(file.path, pair);
      if (!warning.what.empty()) found[file.path] = warning;
    }
    std::vector<BuildWarning> warnings;
    warnings.reserve(found.size());
    for (auto& [path, warning] : found) warnings.push_back(std::move(warning));
    return warnings;
  }

 private:
  bool Unchanged(const delta::ContainedFile& file) const {
    return std::all_of(file.extents.begin(), file.extents.end(), [&](const delta::Extent& extent) {
      return extent.kind == delta::Extent::Kind::kHole ||
             (extent.kind == delta::Extent::Kind::kBlock && known_.contains(AsText(target_.Coded(extent.block))));
    });
  }

  static Bytes Contents(delta::ExpandedImage& image, const delta::ContainedFile& file) {
    Bytes bytes;
    for (const delta::Extent& extent : file.extents) {
      const bool in_block = extent.kind == delta::Extent::Kind::kBlock;
      const ByteView from = in_block ? image.Plain(extent.block) : image.image();
      if (extent.kind == delta::Extent::Kind::kHole) {
        bytes.resize(bytes.size() + extent.length);
      } else if (extent.offset <= from.size() && extent.length <= from.size() - extent.offset) {
        const ByteView part = from.subspan(extent.offset, extent.length);
        bytes.insert(bytes.end(), part.begin(), part.end());
      }
    }
    return bytes;
  }

  Pair Compare(const delta::ContainedFile& old_file, const delta::ContainedFile& new_file) {
    Pair pair{Contents(base_, old_file), Contents(target_, new_file), {}};
    if (pair.before.size() != pair.after.size()) return {};  // a block that could not be opened
    for (size_t i = 0; i < pair.after.size(); ++i) {
      if (pair.before[i] != pair.after[i]) pair.differing.push_back(i);
    }
    return pair;
  }

  BuildWarning Judge(const std::string& path, const Pair& pair) const {
    if (path.starts_with(kInodeTable)) {
      if (ChangedTimes(pair, target_.files().size()) * 2 < target_.files().size()) return {};
      return {"times of files", "most files carry another time than in the release before",
              "set SOURCE_DATE_EPOCH for the whole build, or give mksquashfs -all-time with a fixed time"};
    }
    if (path.starts_with(":")) return {};
    if (OnlyBuildId(pair)) {
      return {path, "only its build id changed",
              "build with -ffile-prefix-map and SOURCE_DATE_EPOCH, or link with --build-id=none"};
    }
    if (OnlyGzipTime(pair)) return {path, "only the time in its gzip header changed", "pack it with gzip -n"};
    if (OnlyDates(pair)) {
      return {path, "only a date in it changed", "set SOURCE_DATE_EPOCH; avoid __DATE__, __TIME__ and $(date)"};
    }
    return {};
  }

  delta::ExpandedImage base_, target_;
  std::set<std::string_view> known_;
  std::map<std::string, const delta::ContainedFile*> before_;
};

}  // namespace

std::vector<BuildWarning> LookForIrreproducibility(ByteView base, ByteView target) {
  return Comparison(base, target).Look();
}

}  // namespace till::packer
