#include "delta/container/fit.h"

#include <algorithm>
#include <map>

#include "delta/container/streams.h"

namespace till::delta {
namespace {

constexpr uint32_t kFdtMagic = 0xd00dfeed;
constexpr uint64_t kFdtHeaderBytes = 40;
constexpr size_t kMaxDepth = 16;
constexpr size_t kMaxMembers = 16384;
constexpr uint64_t kUimageHeaderBytes = 64;

enum FdtToken : uint32_t { kBeginNode = 1, kEndNode = 2, kProperty = 3, kNop = 4, kEnd = 9 };

uint32_t BigEndian(ByteView bytes) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<uint8_t>(bytes[i]);
  return value;
}

Result<uint32_t> ReadBigEndian(ByteReader& in) { return BigEndian(TILL_TRY(in.Take(4))); }

Result<std::string_view> ReadText(ByteReader& in) {
  std::string_view text;
  ByteReader ahead = in;
  size_t length = 0;
  while (TILL_TRY(ahead.U8()) != 0) ++length;
  text = AsText(TILL_TRY(in.Take(length)));
  TILL_TRY(in.Skip(1));
  return text;
}

Status SkipToWord(ByteReader& in) { return in.Skip((4 - in.offset() % 4) % 4); }

struct Member {
  std::string name;
  std::string compression;
  uint64_t offset = 0;  // in the tree
  uint64_t length = 0;
  uint64_t coded_bytes = 0;  // of the stream, when zeros stand behind it (tillpack kernel); else 0
};

class FitReader {
 public:
  explicit FitReader(ByteView own) : own_(own) {}

  Status Read() {
    ByteReader header(own_.first(std::min<uint64_t>(own_.size(), kFdtHeaderBytes)));
    if (TILL_TRY(ReadBigEndian(header)) != kFdtMagic) return Bad();
    const uint32_t total = TILL_TRY(ReadBigEndian(header));
    const uint32_t structure = TILL_TRY(ReadBigEndian(header));
    const uint32_t strings = TILL_TRY(ReadBigEndian(header));
    if (total > own_.size() || total < kFdtHeaderBytes || structure > total || strings > total) return Bad();
    own_ = own_.first(total);
    strings_ = own_.subspan(strings);
    ByteReader in(own_);
    TILL_TRY(in.Skip(structure));
    TILL_TRY(SkipToWord(in));
    while (true) {
      const uint32_t token = TILL_TRY(ReadBigEndian(in));
      if (token == kEnd) return Ok();
      TILL_TRY(ReadToken(in, token));
    }
  }
  const std::vector<Member>& members() const { return members_; }
  uint64_t span() const { return own_.size(); }

 private:
  static Error Bad() { return Error{ErrorCode::kCorrupt, "not a flattened tree", 0}; }

  Status ReadToken(ByteReader& in, uint32_t token) {
    switch (token) {
      case kBeginNode: {
        const std::string_view name = TILL_TRY(ReadText(in));
        if (path_.size() == kMaxDepth) return Bad();
        path_.emplace_back(name);
        if (InImage()) members_.push_back({std::string(name), "", 0, 0, 0});
        return members_.size() <= kMaxMembers ? SkipToWord(in) : Status(Bad());
      }
      case kEndNode:
        if (path_.empty()) return Bad();
        path_.pop_back();
        return Ok();
      case kProperty:
        return ReadProperty(in);
      case kNop:
        return Ok();
      default:
        return Bad();
    }
  }

  bool InImage() const { return path_.size() == 3 && path_[1] == "images"; }

  Status ReadProperty(ByteReader& in) {
    const uint32_t length = TILL_TRY(ReadBigEndian(in));
    const uint32_t name_at = TILL_TRY(ReadBigEndian(in));
    const uint64_t at = in.offset();
    const ByteView value = TILL_TRY(in.Take(length));
    TILL_TRY(SkipToWord(in));
    ByteReader names(strings_);
    TILL_TRY(names.Skip(name_at));
    const std::string_view name = TILL_TRY(ReadText(names));
    if (!InImage()) return Ok();
    Member& member = members_.back();
    if (name == "data") {
      member.offset = at;
      member.length = length;
    } else if (name == "tillrace,coded-bytes" && length == 4) {
      member.coded_bytes = BigEndian(value);
    } else if (name == "compression" && length > 0) {
      member.compression = AsText(value.first(length - 1));
    }
    return Ok();
  }

  ByteView own_;
  ByteView strings_;
  std::vector<std::string> path_;
  std::vector<Member> members_;
};

std::string WithoutEndNumber(std::string name) {
  const size_t end = name.find_last_not_of("0123456789");
  if (end + 1 < name.size()) name.replace(end + 1, std::string::npos, "#");
  return name;
}

void AddMember(ByteView image, uint64_t start, const Member& member, Container& container,
               std::map<std::string, size_t>& file_of) {
  const uint64_t at = start + member.offset;
  const uint64_t coded_bytes = member.coded_bytes > 0 ? std::min(member.coded_bytes, member.length) : member.length;
  std::optional<CodedBlock> block;
  if (member.compression == "lzma") block = OpenLzma(image, at, coded_bytes);
  if (member.compression == "gzip") block = OpenGzip(image, at, member.length);
  const std::string path = ":fit/" + WithoutEndNumber(member.name);
  const auto [place, fresh] = file_of.try_emplace(path, container.files.size());
  if (fresh) {
    container.files.emplace_back();
    container.files.back().path = path;
  }
  ContainedFile& file = container.files[place->second];
  Extent extent{Extent::Kind::kRaw, 0, at, member.length};
  if (block) {
    extent = {Extent::Kind::kBlock, static_cast<uint32_t>(container.blocks.size()), 0, block->plain_bytes};
    container.blocks.push_back(*block);
  }
  file.size += extent.length;
  file.extents.push_back(extent);
}

}  // namespace

std::optional<Container> ReadFit(ByteView image, uint64_t start) {
  FitReader reader(image.subspan(start));
  if (!reader.Read().ok()) return std::nullopt;
  Container container;
  container.name = "FIT";
  container.of_streams = true;
  container.span = reader.span();
  std::map<std::string, size_t> file_of;
  for (const Member& member : reader.members()) {
    if (member.length > 0) AddMember(image, start, member, container, file_of);
  }
  return container;
}

std::optional<Container> ReadUimage(ByteView image, uint64_t start) {
  if (image.size() - start < kUimageHeaderBytes) return std::nullopt;
  const ByteView header = image.subspan(start, kUimageHeaderBytes);
  const uint64_t length = BigEndian(header.subspan(12));
  const auto compression = static_cast<uint8_t>(header[31]);
  const uint64_t at = start + kUimageHeaderBytes;
  if (length == 0 || length > image.size() - at) return std::nullopt;
  std::optional<CodedBlock> block;
  if (compression == 1) block = OpenGzip(image, at, length);
  if (compression == 3) block = OpenLzma(image, at, length);
  if (!block) return std::nullopt;
  Container container;
  container.name = "uImage";
  container.of_streams = true;
  container.span = kUimageHeaderBytes + length;
  container.blocks.push_back(*block);
  container.files.push_back({":uimage", {}, 0, block->plain_bytes, {{Extent::Kind::kBlock, 0, 0, block->plain_bytes}}});
  return container;
}

}  // namespace till::delta
