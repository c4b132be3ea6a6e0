// One logger everywhere: lines on stderr, for people ("12:01:07 warn  edge: ...") or as JSON, one object per line.
//   Fields are escaped, so no input can break a line (CWE-117). Any thread; each line leaves in one write(2).
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include "core/result.h"

namespace till::log {

enum class Level : uint8_t { kDebug, kInfo, kWarn, kError };
enum class Format : uint8_t { kText, kJson };

struct Field {
  Field(std::string_view field_key, std::string_view text) : key(field_key), value(text) {}
  Field(std::string_view field_key, const char* text) : key(field_key), value(text) {}
  Field(std::string_view field_key, const std::string& text) : key(field_key), value(text) {}
  Field(std::string_view field_key, const Error& error);
  template <typename Integer, typename = std::enable_if_t<std::is_integral_v<Integer>>>
  Field(std::string_view field_key, Integer number) : key(field_key), value(std::to_string(number)), is_number(true) {}
  std::string_view key;
  std::string value;
  bool is_number = false;
};

// Set once at the start of main(): the program's name, the lowest level shown, the form.
void Configure(std::string_view program, Level lowest, Format format);

// Keeps the end of what is logged from now on, `bytes` of it, for a report after a failure; Tail() shows it.
void KeepTail(size_t bytes);
std::string Tail();
void Write(Level level, std::string_view message, std::initializer_list<Field> fields = {});
inline void Debug(std::string_view m, std::initializer_list<Field> f = {}) { Write(Level::kDebug, m, f); }
inline void Info(std::string_view m, std::initializer_list<Field> f = {}) { Write(Level::kInfo, m, f); }
inline void Warn(std::string_view m, std::initializer_list<Field> f = {}) { Write(Level::kWarn, m, f); }
inline void ErrorLine(std::string_view m, std::initializer_list<Field> f = {}) { Write(Level::kError, m, f); }

// Text for a person: "cannot open the file (io: No such file or directory)"; details of kIo, kNotFound
// and a full disk read as errno.
std::string Describe(const Error& error);

}  // namespace till::log
