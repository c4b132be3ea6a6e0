#include "core/log.h"

#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <mutex>

#include "core/clock.h"
#include "core/file.h"
#include "core/text.h"

namespace till::log {
namespace {

// Written once by Configure() before threads start; atomics so that a late Configure() is no race.
std::atomic<Level> g_lowest{Level::kInfo};
std::atomic<Format> g_format{Format::kText};
char g_program[32] = "till";

struct KeptTail {
  std::mutex mutex;
  size_t most_bytes = 0;
  std::string text;
};
KeptTail& Kept() {
  static KeptTail kept;
  return kept;
}

constexpr const char* kLevelNames[] = {"debug", "info", "warn", "error"};

void AppendJsonLine(std::string& line, Level level, std::string_view message, std::initializer_list<Field> fields) {
  line = "{\"time\":\"" + FormatUtc(SystemClock().UnixMs() / 1000) + "\",\"level\":\"";
  line += kLevelNames[static_cast<int>(level)];
  line += "\",\"program\":\"" + std::string(g_program) + "\",\"message\":" + QuoteJson(message);
  for (const Field& field : fields) {
    line += "," + QuoteJson(field.key) + ":" + (field.is_number ? field.value : QuoteJson(field.value));
  }
  line += "}\n";
}

void AppendTextLine(std::string& line, Level level, std::string_view message, std::initializer_list<Field> fields) {
  const time_t now = SystemClock().UnixMs() / 1000;
  tm parts{};
  localtime_r(&now, &parts);
  char head[80];
  std::snprintf(head, sizeof head, "%02d:%02d:%02d %-5s %s: ", parts.tm_hour, parts.tm_min, parts.tm_sec,
                kLevelNames[static_cast<int>(level)], g_program);
  line = head;
  line += Printable(message);
  for (const Field& field : fields) line += " " + std::string(field.key) + "=" + Printable(field.value);
  line += "\n";
}

}  // namespace

Field::Field(std::string_view field_key, const Error& error) : key(field_key), value(Describe(error)) {}

void Configure(std::string_view program, Level lowest, Format format) {
  std::snprintf(g_program, sizeof g_program, "%.*s", static_cast<int>(program.size()), program.data());
  g_lowest = lowest;
  g_format = format;
}

void KeepTail(size_t bytes) {
  const std::lock_guard lock(Kept().mutex);
  Kept().most_bytes = bytes;
}

std::string Tail() {
  const std::lock_guard lock(Kept().mutex);
  return Kept().text;
}

void Write(Level level, std::string_view message, std::initializer_list<Field> fields) {
  if (level < g_lowest.load()) return;
  std::string line;
  if (g_format.load() == Format::kJson) {
    AppendJsonLine(line, level, message, fields);
  } else {
    AppendTextLine(line, level, message, fields);
  }
  {
    KeptTail& kept = Kept();
    const std::lock_guard lock(kept.mutex);
    if (kept.most_bytes > 0) {
      kept.text += line;
      if (kept.text.size() > kept.most_bytes) kept.text.erase(0, kept.text.size() - kept.most_bytes);
    }
  }
  // A log line that cannot be written has nowhere to be reported.
  [[maybe_unused]] const ssize_t put = write(STDERR_FILENO, line.data(), line.size());
}

std::string Describe(const Error& error) {
  std::string text = error.what;
  text += " (";
  text += ErrorCodeName(error.code);
  const bool is_errno = error.code == ErrorCode::kIo || error.code == ErrorCode::kNotFound || IsDiskFull(error);
  if (error.detail != 0 && is_errno && error.detail < 200) {
    text += ": ";
    text += std::strerror(static_cast<int>(error.detail));
  } else if (error.detail != 0) {
    text += ", " + std::to_string(error.detail);
  }
  return text + ")";
}

}  // namespace till::log
