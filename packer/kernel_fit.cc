#include "packer/kernel_fit.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>

#include "delta/codec/lzma.h"
#include "delta/codec/recode.h"

namespace till::packer {
namespace {

constexpr uint32_t kUimageMagic = 0x27051956;
constexpr uint64_t kUimageHeaderBytes = 64;
constexpr uint8_t kUimageStored = 0, kUimageLzma = 3;
constexpr uint64_t kMaxKernelBytes = 64 << 20;
constexpr uint64_t kLzmaWorkBytes = 65 << 20;  // dictionaries of up to 64 MiB, as on the build machine
constexpr uint64_t kMaxUnpackRatio = 20;

// lc and lp as OpenWrt's kernels have them: code of 4-byte words.
constexpr delta::XzParameters kFrameEncoder = {
    .preset = 9, .extreme = true, .lc = 1, .lp = 2, .pb = 2, .dictionary = 18};

uint32_t BigEndian(ByteView bytes, size_t at) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<uint8_t>(bytes[at + i]);
  return value;
}

// A flattened tree, written front to back.
class TreeWriter {
 public:
  void Begin(std::string_view name) {
    Word(1);
    Text(name);
  }
  void End() { Word(2); }
  void Property(std::string_view name, ByteView value) {
    const auto [at, fresh] = names_at_.try_emplace(std::string(name), static_cast<uint32_t>(names_.size()));
    if (fresh) names_ += std::string(name) + '\0';
    Word(3);
    Word(static_cast<uint32_t>(value.size()));
    Word(at->second);
    structure_.insert(structure_.end(), value.begin(), value.end());
    Pad();
  }
  void Property(std::string_view name, const std::string& value) {
    Property(name, AsBytes(std::string_view(value.c_str(), value.size() + 1)));
  }
  void Property(std::string_view name, uint32_t value) {
    const std::array<std::byte, 4> bytes = {std::byte(value >> 24), std::byte(value >> 16), std::byte(value >> 8),
                                            std::byte(value)};
    Property(name, bytes);
  }

  Bytes Take() && {
    Word(9);
    constexpr uint32_t kHeaderBytes = 40, kReservationsBytes = 16, kVersion = 17, kCompatible = 16;
    const auto structure_bytes = static_cast<uint32_t>(structure_.size());
    const auto names_bytes = static_cast<uint32_t>(names_.size());
    const uint32_t structure_at = kHeaderBytes + kReservationsBytes;
    const Bytes structure = std::move(structure_);
    structure_.clear();
    for (const uint32_t field :
         {0xd00dfeedu, structure_at + structure_bytes + names_bytes, structure_at, structure_at + structure_bytes,
          kHeaderBytes, kVersion, kCompatible, 0u, names_bytes, structure_bytes, 0u, 0u, 0u, 0u}) {
      Word(field);
    }
    Bytes tree = std::move(structure_);
    tree.insert(tree.end(), structure.begin(), structure.end());
    const ByteView names = AsBytes(names_);
    tree.insert(tree.end(), names.begin(), names.end());
    return tree;
  }

 private:
  void Word(uint32_t value) {
    for (int shift = 24; shift >= 0; shift -= 8) structure_.push_back(std::byte(value >> shift));
  }
  void Text(std::string_view text) {
    const ByteView bytes = AsBytes(text);
    structure_.insert(structure_.end(), bytes.begin(), bytes.end());
    structure_.push_back(std::byte{0});
    Pad();
  }
  void Pad() { structure_.resize((structure_.size() + 3) / 4 * 4); }

  Bytes structure_;
  std::string names_;
  std::map<std::string, uint32_t> names_at_;
};

uint32_t Crc32(ByteView bytes) {
  uint32_t crc = ~uint32_t{0};
  for (const std::byte byte : bytes) {
    crc ^= static_cast<uint8_t>(byte);
    for (unsigned bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ ((crc & 1) != 0 ? 0xEDB88320u : 0);
  }
  return ~crc;
}

// nullopt when the frame does not get shorter: what a kernel carries may be packed already.
std::optional<Bytes> EncodeFrame(ByteView plain) {
  const delta::Recode recode = delta::Recode::Lzma(kFrameEncoder);
  Bytes workspace(delta::RecodeEncodeBytes(recode, plain.size()));
  Bytes coded(delta::CodedBound(plain.size()));
  const auto length = delta::RecodeEncode(recode, plain, coded, workspace);
  if (!length.ok() || *length >= plain.size()) return std::nullopt;
  coded.resize(*length);
  return coded;
}

std::string FrameName(uint32_t index) {
  const std::string digits = std::to_string(index);  // at most 256 frames: kMaxKernelBytes
  return "frame-" + std::string(3 - std::min<size_t>(digits.size(), 3), '0') + digits;
}

struct Frame {
  uint32_t index = 0;
  Bytes data;  // the LZMA stream, perhaps with zeros behind it; or the plain bytes
  uint32_t coded_bytes = 0;
  bool packed = false;
};

void AddFrame(const Frame& frame, const PlainKernel& kernel, TreeWriter& tree) {
  const uint32_t index = frame.index;
  tree.Begin(FrameName(index));
  tree.Property("description", kernel.name);
  tree.Property("data", frame.data);
  if (frame.data.size() != frame.coded_bytes) tree.Property("tillrace,coded-bytes", frame.coded_bytes);
  tree.Property("type", std::string(index == 0 ? "kernel" : "firmware"));
  tree.Property("arch", std::string("mips"));
  tree.Property("os", std::string("linux"));
  tree.Property("compression", std::string(frame.packed ? "lzma" : "none"));
  tree.Property("load", kernel.load_address + index * kKernelFrameBytes);
  if (index == 0) tree.Property("entry", kernel.entry_address);
  tree.Begin("hash-1");
  tree.Property("algo", std::string("crc32"));
  tree.Property("value", Crc32(frame.data));
  tree.End();
  tree.End();
}

}  // namespace

Result<PlainKernel> ReadUimageKernel(ByteView image) {
  if (image.size() < kUimageHeaderBytes || BigEndian(image, 0) != kUimageMagic) {
    return Error{ErrorCode::kUnsupported, "not a uImage"};
  }
  const uint64_t length = BigEndian(image, 12);
  if (length > image.size() - kUimageHeaderBytes) return Error{ErrorCode::kCorrupt, "uImage cut short", 12};
  const ByteView coded = image.subspan(kUimageHeaderBytes, length);
  PlainKernel kernel;
  kernel.timestamp = BigEndian(image, 8);
  kernel.load_address = BigEndian(image, 16);
  kernel.entry_address = BigEndian(image, 20);
  const std::string_view name = AsText(image.subspan(32, 32));
  kernel.name = name.substr(0, name.find('\0'));
  const auto compression = static_cast<uint8_t>(image[31]);
  if (compression == kUimageStored) {
    kernel.code.assign(coded.begin(), coded.end());
    return kernel;
  }
  if (compression != kUimageLzma) return Error{ErrorCode::kUnsupported, "uImage compression", compression};
  if (coded.size() < 13) return Error{ErrorCode::kCorrupt, "uImage cut short", kUimageHeaderBytes};
  ByteReader header(coded.subspan(5));
  const uint64_t plain_bytes = TILL_TRY(header.U64());
  if (plain_bytes > kMaxKernelBytes) return Error{ErrorCode::kLimit, "kernel too long", kMaxKernelBytes};
  kernel.code.resize(plain_bytes);
  Bytes memory(kLzmaWorkBytes);
  delta::Workspace workspace(memory);
  TILL_TRY(delta::LzmaFileDecode(coded, kernel.code, workspace));
  return kernel;
}

Result<PackedKernel> PackKernel(const PlainKernel& kernel) {
  if (kernel.code.empty()) return Error{ErrorCode::kInvalid, "an empty kernel"};
  PackedKernel packed;
  TreeWriter tree;
  tree.Begin("");
  tree.Property("description", kernel.name);
  tree.Property("timestamp", kernel.timestamp);
  tree.Property("#address-cells", uint32_t{1});
  tree.Begin("images");
  std::string loadables;
  for (uint64_t at = 0; at < kernel.code.size(); at += kKernelFrameBytes) {
    const ByteView plain =
        ByteView(kernel.code).subspan(at, std::min<uint64_t>(kernel.code.size() - at, kKernelFrameBytes));
    std::optional<Bytes> coded = EncodeFrame(plain);
    Frame frame;
    frame.index = packed.frames;
    frame.packed = coded.has_value();
    frame.data = coded ? std::move(*coded) : Bytes(plain.begin(), plain.end());
    frame.coded_bytes = static_cast<uint32_t>(frame.data.size());
    if (frame.packed && packed.frames > 0)
      frame.data.resize(std::max<size_t>(frame.data.size(), plain.size() / kMaxUnpackRatio + 1));
    AddFrame(frame, kernel, tree);
    if (packed.frames > 0) loadables += FrameName(packed.frames) + '\0';
    packed.padded_frames += frame.data.size() != frame.coded_bytes ? 1 : 0;
    ++packed.frames;
  }
  tree.End();
  tree.Begin("configurations");
  tree.Property("default", std::string("conf-1"));
  tree.Begin("conf-1");
  tree.Property("kernel", FrameName(0));
  if (!loadables.empty()) tree.Property("loadables", AsBytes(loadables));
  tree.End();
  tree.End();
  tree.End();
  packed.fit = std::move(tree).Take();
  return packed;
}

}  // namespace till::packer
