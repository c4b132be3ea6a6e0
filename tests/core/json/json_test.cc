#include "core/json/json.h"

#include <gtest/gtest.h>

#include <string>

#include "core/text.h"

namespace till::json {
namespace {

std::string Nested(size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); }

TEST(Json, ReadsEveryKindOfValueAndKeepsTheOrder) {
  const Result<Value> parsed = Parse(
      R"( {"z":1,"a":[true,false,null,-5,2.5,"x\u00e9\n\ud83d\ude00"],"o":{},"e":[],"big":9223372036854775807} )");
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(Write(*parsed),
            "{\"z\":1,\"a\":[true,false,null,-5,2.5,\"x\u00e9\\u000a\U0001F600\"],\"o\":{},\"e\":[],\"big\":"
            "9223372036854775807}");
  EXPECT_EQ((*parsed)["a"].items()[3].AsInteger(), -5);
  EXPECT_EQ((*parsed)["big"].AsInteger(), INT64_MAX);
  EXPECT_EQ((*parsed)["a"]["no"]["no"].AsString(), "");
  EXPECT_EQ((*parsed)["no"].AsInteger(7), 7);
  EXPECT_TRUE((*parsed)["o"].is_object());
  EXPECT_TRUE((*parsed)["e"].is_array());
}

struct BadText {
  const char* name;
  std::string text;
};

// covers D08
TEST(Json, RefusesWhatIsNotJson) {
  const BadText kTable[] = {
      {"empty", ""},
      {"space only", "  "},
      {"trailing data", "{} x"},
      {"trailing value", "1 2"},
      {"BOM", "\xef\xbb\xbf{}"},
      {"NaN", "NaN"},
      {"Infinity", "-Infinity"},
      {"NUL outside", std::string("{}\0", 3)},
      {"NUL and trailing data", std::string("{}\0{\"a\":1}", 10)},
      {"NUL in a string", std::string("\"a\0b\"", 5)},
      {"raw control character", "\"a\nb\""},
      {"duplicate key", R"({"a":1,"b":2,"a":3})"},
      {"duplicate key by escape", R"({"a":1,"\u0061":3})"},
      {"nested duplicate key", R"([{"x":{"a":1,"a":1}}])"},
      {"lone high surrogate", R"("\ud800")"},
      {"lone low surrogate", R"("\udc00")"},
      {"high then no low", R"("\ud800\u0041")"},
      {"encoded surrogate in a key", "{\"\xed\xa0\x80\":1}"},
      {"half a pair in a key", R"({"\ud800":1})"},
      {"encoded surrogate", "\"\xed\xa0\x80\""},
      {"overlong", "\"\xc0\xaf\""},
      {"overlong three", "\"\xe0\x80\xaf\""},
      {"above U+10FFFF", "\"\xf4\x90\x80\x80\""},
      {"lone continuation", "\"\x80\""},
      {"cut sequence", "\"\xe2\x82\""},
      {"invalid UTF-8 in a key", "{\"\xff\":1}"},
      {"UTF-16", std::string("{\0}\0", 4)},
      {"1e999999", "1e999999"},
      {"-1e999999", "[-1e999999]"},
      {"1e-999999", "1e-999999"},
      {"leading zero", "01"},
      {"leading zeros", "[00]"},
      {"minus alone", "[-]"},
      {"no exponent", "1e"},
      {"plus", "+1"},
      {"bare point", "1."},
      {"hex", "0x10"},
      {"single quotes", "{'a':1}"},
      {"comment", "/*x*/1"},
      {"trailing comma in array", "[1,]"},
      {"trailing comma in object", R"({"a":1,})"},
      {"no colon", R"({"a" 1})"},
      {"number as key", "{1:2}"},
      {"unclosed", "[1,2"},
      {"unclosed string", "\"abc"},
      {"stray close", "]"},
      {"wrong close", "[1}"},
      {"bad escape", R"("\x41")"},
      {"half an escape", R"("\u12")"},
      {"True", "True"},
  };
  for (const BadText& bad : kTable) {
    const Result<Value> parsed = Parse(bad.text);
    ASSERT_FALSE(parsed.ok()) << bad.name;
    EXPECT_EQ(parsed.error().code, ErrorCode::kCorrupt) << bad.name;
    EXPECT_LE(parsed.error().detail, bad.text.size()) << bad.name;
  }
}

// covers D08
TEST(Json, RefusesEveryBeginningOfAText) {
  const std::string text = R"({"a":[1,-2.5e3,"x\u00e9"],"b":{"c":null,"d":true}})";
  ASSERT_TRUE(Parse(text).ok());
  for (size_t size = 0; size < text.size(); ++size) EXPECT_FALSE(Parse(text.substr(0, size)).ok()) << size;
}

// covers D08
TEST(Json, BoundsDepthValuesAndBytes) {
  EXPECT_TRUE(Parse(Nested(32)).ok());
  EXPECT_EQ(Parse(Nested(33)).error().code, ErrorCode::kLimit);
  Limits deep;
  deep.max_bytes = 10'000'000;
  EXPECT_EQ(Parse(std::string(1'000'000, '['), deep).error().code, ErrorCode::kLimit);
  std::string objects;
  for (int i = 0; i < 100'000; ++i) objects += "{\"a\":";
  EXPECT_EQ(Parse(objects, deep).error().code, ErrorCode::kLimit);
  deep.max_depth = 100'000;  // the parser's own stack is on the heap: no crash without its limit either
  deep.max_values = 1'000'000;
  EXPECT_EQ(Parse(std::string(99'999, '['), deep).error().code, ErrorCode::kCorrupt);

  Limits few;
  few.max_values = 4;
  EXPECT_TRUE(Parse("[1,2,3]", few).ok());
  EXPECT_EQ(Parse("[1,2,3,4]", few).error().code, ErrorCode::kLimit);
  EXPECT_EQ(Parse(R"({"a":[],"b":[],"c":[],"d":[]})", few).error().code, ErrorCode::kLimit);
  Limits small;
  small.max_bytes = 5;
  EXPECT_TRUE(Parse("[1,2]", small).ok());
  EXPECT_EQ(Parse("[1,2] ", small).error().code, ErrorCode::kLimit);
}

// covers D08
TEST(Json, LooksAtAMillionKeysWithoutComparingAllWithAll) {
  std::string text = "{";
  for (int i = 0; i < 99'000; ++i) text += "\"key" + std::to_string(i) + "\":0,";
  text += "\"key5\":0}";
  Limits limits;
  limits.max_bytes = text.size();
  EXPECT_EQ(Parse(text, limits).error().code, ErrorCode::kCorrupt);
}

// covers D09
TEST(Json, RefusesFractionsWhenToldTo) {
  Limits whole;
  whole.allow_fractions = false;
  for (const char* good : {"0", "-1", "9223372036854775807", "-9223372036854775808"}) {
    EXPECT_TRUE(Parse(good, whole).ok()) << good;
  }
  for (const char* bad : {"1.0", "1e2", "0.5", "-1E0", "9223372036854775808", "18446744073709551615",
                          "-9223372036854775809", "123456789012345678901234567890"}) {
    EXPECT_EQ(Parse(bad, whole).error().code, ErrorCode::kCorrupt) << bad;
    EXPECT_TRUE(Parse(bad).ok()) << bad;
  }
}

TEST(Json, SurvivesWritingAndReading) {
  for (const char* text :
       {"null", "true", "-7", "2.5", "1e+300", "3.0", "\"\"", "[]", "{}", R"(["a",{"b":[1,2,{"c":null}]}])"}) {
    const Result<Value> parsed = Parse(text);
    ASSERT_TRUE(parsed.ok()) << text;
    EXPECT_EQ(Write(*parsed), text);
    EXPECT_EQ(*Parse(Write(*parsed)), *parsed) << text;
    EXPECT_EQ(*Parse(WritePretty(*parsed)), *parsed) << text;
  }
  EXPECT_EQ(Write(Value(0.1)), "0.1");
  EXPECT_EQ(Write(Value(1.0 / 0.0)), "null");
}

TEST(Json, ReadsNumbersExactly) {
  struct Row {
    const char* text;
    double value;
  };
  const Row kTable[] = {{"0e98", 0},
                        {"-0", 0},
                        {"-0.0e1", 0},
                        {"1E2", 100},
                        {"0.1", 0.1},
                        {"1e23", 1e23},
                        {"5e-324", 5e-324},
                        {"1.7976931348623157e308", 1.7976931348623157e308},
                        {"9223372036854775808", 9223372036854775808.0},
                        {"123456789012345678901234567890", 1.2345678901234568e29}};
  for (const Row& row : kTable) {
    const Result<Value> parsed = Parse(row.text);
    ASSERT_TRUE(parsed.ok()) << row.text;
    EXPECT_EQ(parsed->AsDouble(), row.value) << row.text;
    EXPECT_EQ((*Parse(std::string("[") + row.text + "]")).items()[0].AsDouble(), row.value) << row.text;
  }
  EXPECT_EQ(Parse(std::string(100'000, '9')).error().code, ErrorCode::kCorrupt);
  EXPECT_TRUE(Parse("0." + std::string(100'000, '9')).ok());
}

TEST(Json, WritesForPeople) {
  const Value value = *Parse(R"({"a":[1,{}],"b":"x"})");
  EXPECT_EQ(WritePretty(value), "{\n  \"a\": [\n    1,\n    {}\n  ],\n  \"b\": \"x\"\n}\n");
}

TEST(Json, WritesCanonically) {
  const Value value = *Parse("{\"b\":1,\"a\":[true,null,\"q\\\"\\\\\\n\\u00e9\"],\"\u00e9\":{},\"B\":[]}");
  EXPECT_EQ(*WriteCanonical(value), "{\"B\":[],\"a\":[true,null,\"q\\\"\\\\\n\u00e9\"],\"b\":1,\"\u00e9\":{}}");
  EXPECT_EQ(*WriteCanonical(*Parse(R"({"2":{"b":1,"a":2},"10":[[],{}]})")), R"({"10":[[],{}],"2":{"a":2,"b":1}})");
  EXPECT_EQ(WriteCanonical(Value(1.5)).error().code, ErrorCode::kInvalid);
  EXPECT_EQ(WriteCanonical(Value::Array({Value(1.5)})).error().code, ErrorCode::kInvalid);
}

TEST(Value, BuildsObjectsAndArraysFromNothing) {
  Value value;
  value.Set("a", 1);
  value.Set("b", Value().Append("x"));
  value.Set("a", "one");
  value.Set("c", uint64_t{18446744073709551615U});
  value.Set("d", true);
  value.Remove("d");
  value.Remove("none");
  EXPECT_EQ(Write(value), R"({"a":"one","b":["x"],"c":18446744073709551616.0})");
  EXPECT_TRUE(value.Has("a"));
  EXPECT_FALSE(value.Has("d"));
}

TEST(Value, RequiresWhatAFormatPromises) {
  const Value value = *Parse(R"({"s":"x","i":5,"o":{},"a":[],"d":1.5})");
  EXPECT_EQ(*value.RequireString("s"), "x");
  EXPECT_EQ(*value.RequireInteger("i"), 5);
  EXPECT_TRUE(value.RequireObject("o").ok());
  EXPECT_TRUE(value.RequireArray("a").ok());
  for (const char* key : {"none", "d"}) {
    EXPECT_EQ(value.RequireString(key).error().code, ErrorCode::kCorrupt);
    EXPECT_EQ(value.RequireInteger(key).error().code, ErrorCode::kCorrupt);
    EXPECT_EQ(value.RequireObject(key).error().code, ErrorCode::kCorrupt);
    EXPECT_EQ(value.RequireArray(key).error().code, ErrorCode::kCorrupt);
  }
  EXPECT_FALSE(Value(5).RequireString("s").ok());
}

TEST(Value, ComparesNumbersByValueAndMembersInOrder) {
  EXPECT_EQ(Value(3), Value(3.0));
  EXPECT_FALSE(Value(3) == Value("3"));
  EXPECT_FALSE(*Parse(R"({"a":1,"b":2})") == *Parse(R"({"b":2,"a":1})"));
  EXPECT_FALSE(Value() == Value(false));
}

}  // namespace
}  // namespace till::json
