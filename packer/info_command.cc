// tillpack info: what a payload says about itself.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <iterator>

#include "core/file.h"
#include "core/json/json.h"
#include "core/text.h"
#include "delta/chunks/chunk_assembler.h"
#include "delta/chunks/chunk_file.h"
#include "delta/format/arena.h"
#include "packer/bsdiff_patch.h"
#include "packer/commands.h"
#include "packer/faults.h"
#include "packer/payload_maker.h"

namespace till::packer {
namespace {

const char* RecodeName(delta::RecodeCodec codec) {
  switch (codec) {
    case delta::RecodeCodec::kXz:
      return "xz";
    case delta::RecodeCodec::kZlib:
      return "zlib";
    case delta::RecodeCodec::kZstd:
      return "zstd";
    case delta::RecodeCodec::kLz4:
      return "lz4";
    case delta::RecodeCodec::kLzma:
      return "lzma";
    default:
      return "none";
  }
}

const char* CodecName(size_t codec) {
  constexpr const char* kNames[] = {"stored", "zstd", "lzma", "model"};
  return codec < std::size(kNames) ? kNames[codec] : "?";
}

// "diff: stored, lzma": the codecs some frame uses for a stream.
std::string CodecsOf(const delta::PayloadHeader& header, delta::StreamIndex stream) {
  if (header.minor_version < 2) return "zstd, stored";
  std::string names;
  for (size_t codec = 0; codec < 4; ++codec) {
    if ((header.stream_codecs[stream] & 1 << codec) == 0) continue;
    names += (names.empty() ? "" : ", ") + std::string(CodecName(codec));
  }
  return names.empty() ? "none" : names;
}

json::Value RecodesJson(const delta::PayloadHeader& header) {
  json::Value recodes = json::Value::Array();
  for (size_t i = 0; i < header.recode_count; ++i) {
    json::Value parameters = json::Value::Array();
    for (const uint8_t value : header.recodes[i].parameters) parameters.Append(unsigned{value});
    json::Value recode = json::Value::Object();
    recode.Set("codec", RecodeName(header.recodes[i].codec)).Set("parameters", std::move(parameters));
    recodes.Append(std::move(recode));
  }
  return recodes;
}

json::Value ArenaJson(const delta::PayloadHeader& header) {
  const delta::ArenaParts parts = delta::ArenaPartsFor(header);
  json::Value arena = json::Value::Object();
  arena.Set("chunk", parts.chunk).Set("transfer", parts.transfer).Set("coded", parts.coded);
  arena.Set("plain", parts.plain).Set("decoders", parts.decoders_bytes()).Set("map", parts.map);
  arena.Set("segments", parts.segments).Set("cache", parts.cache).Set("recode", parts.recode);
  arena.Set("block_plain", parts.block_plain).Set("block_coded", parts.block_coded);
  return arena;
}

void PrintJson(const delta::PayloadFile& file, uint64_t bytes) {
  const delta::PayloadHeader& h = file.header;
  json::Value info = json::Value::Object();
  info.Set("kind", delta::PayloadKindName(h.kind)).Set("bytes", bytes);
  info.Set("format", uint64_t{delta::kFormatVersion}).Set("minor", uint64_t{h.minor_version});
  info.Set("target_bytes", h.target_size).Set("target_sha256", ToHex(h.target_sha256));
  if (h.kind == delta::PayloadKind::kDelta) {
    info.Set("base_bytes", h.base_size).Set("base_sha256", ToHex(h.base_sha256));
  }
  info.Set("chunks_bytes", file.chunks.encoded_length()).Set("chunks_sha256", ToHex(file.chunks_sha256));
  info.Set("arena_bytes", uint64_t{h.arena_bytes}).Set("arena", ArenaJson(h));
  info.Set("frames", uint64_t{h.frame_count}).Set("ops", h.op_count);
  info.Set("codecs", json::Value::Object({{"control", CodecsOf(h, delta::kControl)},
                                          {"diff", CodecsOf(h, delta::kDiff)},
                                          {"literal", CodecsOf(h, delta::kLiteral)}}));
  info.Set("recodes", RecodesJson(h)).Set("cache_blocks", unsigned{h.cache_blocks});
  info.Set("map_bytes", uint64_t{h.map_coded_bytes}).Set("instructions_mi", uint64_t{h.instruction_estimate});
  if (h.instruction_estimate != 0) info.Set("seconds_mt7688", ApplySeconds(h.instruction_estimate));
  std::printf("%s\n", json::Write(info).c_str());
}

void PrintRecodes(const delta::PayloadHeader& h) {
  for (size_t i = 0; i < h.recode_count; ++i) {
    std::string text = RecodeName(h.recodes[i].codec);
    for (const uint8_t value : h.recodes[i].parameters) text += " " + std::to_string(value);
    std::printf("recode   %zu: %s\n", i, text.c_str());
  }
  if (h.recode_count > 0) {
    std::printf("blocks   up to %s plain, %u opened ones kept\n", FormatSize(h.block_plain_bytes_max).c_str(),
                unsigned{h.cache_blocks});
  }
  if (h.map_coded_bytes > 0) {
    std::printf("map      %s, %s opened\n", FormatSize(h.map_coded_bytes).c_str(),
                FormatSize(h.map_plain_bytes).c_str());
  }
}

void PrintText(const delta::PayloadFile& file, uint64_t bytes) {
  const delta::PayloadHeader& h = file.header;
  std::printf("kind     %s, format %u.%u\n", delta::PayloadKindName(h.kind), delta::kFormatVersion, h.minor_version);
  std::printf("payload  %s in %u frames, %llu ops\n", FormatSize(bytes).c_str(), h.frame_count,
              static_cast<unsigned long long>(h.op_count));
  if (h.kind == delta::PayloadKind::kDelta) {
    std::printf("base     sha256:%s, %llu bytes\n", ToHex(h.base_sha256).c_str(),
                static_cast<unsigned long long>(h.base_size));
  }
  std::printf("target   sha256:%s, %llu bytes\n", ToHex(h.target_sha256).c_str(),
              static_cast<unsigned long long>(h.target_size));
  std::printf("chunks   sha256:%s, %zu of 32 KiB\n", ToHex(file.chunks_sha256).c_str(), file.chunks.chunk_count());
  std::printf("streams  control: %s; diff: %s; literal: %s\n", CodecsOf(h, delta::kControl).c_str(),
              CodecsOf(h, delta::kDiff).c_str(), CodecsOf(h, delta::kLiteral).c_str());
  PrintRecodes(h);
  std::printf("memory   %s to apply\n", FormatSize(h.arena_bytes).c_str());
  if (h.instruction_estimate == 0) return;
  std::printf("time     %.0f s on an mt7688 (%u million instructions, 2.5 cycles each assumed, 580 MHz)\n",
              ApplySeconds(h.instruction_estimate), h.instruction_estimate);
}

// A chunk object: kind chunks, the tier for unknown bases.
void PrintChunks(const GlobalOptions& options, const delta::ChunkFile& file, uint64_t bytes) {
  const uint64_t arena_bytes = delta::ChunkAssembler::ArenaBytesFor(file.index);
  if (options.json) {
    json::Value info = json::Value::Object();
    info.Set("kind", "chunks").Set("bytes", bytes).Set("format", uint64_t{delta::ChunkIndex::kVersion});
    info.Set("index_bytes", file.index_bytes).Set("arena_bytes", arena_bytes);
    info.Set("chunk_count", static_cast<uint64_t>(file.index.chunks.size()));
    info.Set("target_sha256", ToHex(file.index.target_sha256)).Set("target_bytes", file.index.target_bytes);
    std::printf("%s\n", json::Write(info).c_str());
    return;
  }
  std::printf("kind     chunks, format %u\n", unsigned{delta::ChunkIndex::kVersion});
  std::printf("payload  %s, of them %s index: %zu chunks of %s on average\n", FormatSize(bytes).c_str(),
              FormatSize(file.index_bytes).c_str(), file.index.chunks.size(),
              FormatSize(uint64_t{1} << file.index.average_log2).c_str());
  std::printf("base     any\n");
  std::printf("target   sha256:%s, %llu bytes\n", ToHex(file.index.target_sha256).c_str(),
              static_cast<unsigned long long>(file.index.target_bytes));
  std::printf("memory   %s to put together\n", FormatSize(arena_bytes).c_str());
}

int Info(const GlobalOptions& options, const std::string& path) {
  Result<FileSource> source = FileSource::Open(path);
  if (!source.ok()) return Fail(options, kExitFailed, kInputUnreadable, path, &source.error());
  if (IsBsdiffPatch(path)) return TellAboutBsdiffPatch(options, path);
  const Result<delta::PayloadFile> file = delta::OpenPayload(*source);
  if (const Result<delta::ChunkFile> chunks = delta::OpenChunkFile(*source); !file.ok() && chunks.ok()) {
    PrintChunks(options, *chunks, source->size());
    return kExitOk;
  }
  if (!file.ok()) return Fail(options, kExitVerification, kNotAPayload, path, &file.error());
  options.json ? PrintJson(*file, source->size()) : PrintText(*file, source->size());
  return kExitOk;
}

}  // namespace

void AddInfoCommand(CLI::App& program, GlobalOptions& options, Run& run) {
  auto path = std::make_shared<std::string>();
  CLI::App* command = program.add_subcommand("info", "Show what a payload is, what it starts from and what it needs");
  command->add_option("payload", *path, "Payload")->required();
  command->callback([&options, &run, path] { run = [&options, path] { return Info(options, *path); }; });
}

}  // namespace till::packer
