#include "server/mgmt/rsql.h"

#include <gtest/gtest.h>

#include <map>

namespace till::mgmt::rsql {
namespace {

constexpr Field kFields[] = {
    {"name"}, {"attribute."}, {"weight", FieldKind::kNumber}, {"active", FieldKind::kBool}, {"tag"}};

const std::multimap<std::string, std::string> kThing = {
    {"name", "Till-17 (Hall)"}, {"attribute.till.board", "acme,pos-100"},
    {"weight", "900"},          {"active", "true"},
    {"tag", "north"},           {"tag", "pilot"},
    {"attribute.star", "a*b"}};

std::vector<std::string> ReadThing(const Comparison& wanted) {
  std::vector<std::string> values;
  const auto range = kThing.equal_range(wanted.field + wanted.key);
  for (auto at = range.first; at != range.second; ++at) values.push_back(at->second);
  return values;
}

TEST(Rsql, AnswersAsHawkBitDoes) {
  struct Case {
    const char* text;
    bool matches;
  };
  const Case cases[] = {
      {"", true},
      {"name=='Till-17 (Hall)'", true},
      {"name==\"till-17 (hall)\"", true},
      {"NAME==Till-17*", true},
      {"name==*hall*", true},
      {"name==till-18*", false},
      {"name!=till-18*", true},
      {"name!=till*", false},
      {"name=li=till*", true},
      {"attribute.till.board=='acme,pos-100'", true},
      {"attribute.none==x", false},
      {"attribute.none!=x", true},
      {"attribute.none=is=null", true},
      {"attribute.star=not=null", true},
      {"attribute.star==a\\*b", true},
      {"attribute.star=='a\\*b'", true},
      {"attribute.star=='a\\*c'", false},
      {"weight==900", true},
      {"weight=lt=1000", true},
      {"weight<900", false},
      {"weight<=900", true},
      {"weight=ge=900", true},
      {"weight>900", false},
      {"weight=in=(1,900)", true},
      {"weight=out=(1,900)", false},
      {"active==TRUE", true},
      {"active==false", false},
      {"tag==pilot", true},
      {"tag==south", false},
      {"tag=in=(south, pilot)", true},
      {"tag=out=(south,'pilot')", false},
      {"name==x,weight==900", true},
      {"name==x;weight==900", false},
      {"name==x or weight==900", true},
      {"name==x and weight==900", false},
      {"name==x,weight==900;active==false", false},  // and binds closer
      {"(name==x,weight==900);active==true", true},
      {"( name==x , ( weight==900 ) ) and active==true", true},
  };
  for (const Case& c : cases) {
    auto filter = Filter::Parse(c.text, kFields);
    ASSERT_TRUE(filter.ok()) << c.text << ": " << filter.error().what << " at " << filter.error().detail;
    EXPECT_EQ(filter->Matches(ReadThing), c.matches) << c.text;
  }
}

TEST(Rsql, RefusesWhatIsNoFilter) {
  struct Case {
    std::string text;
    ErrorCode code;
  };
  std::string deep(200, '('), long_list = "name=in=(", many;
  for (int i = 0; i < 300; ++i) long_list += "a,";
  for (int i = 0; i < 80; ++i) many += "name==a;";
  const Case cases[] = {
      {"name", ErrorCode::kInvalid},
      {"==x", ErrorCode::kInvalid},
      {"name==", ErrorCode::kInvalid},
      {"name=x", ErrorCode::kInvalid},
      {"name=~x", ErrorCode::kInvalid},
      {"name==x;", ErrorCode::kInvalid},
      {"name==x,", ErrorCode::kInvalid},
      {"(name==x", ErrorCode::kInvalid},
      {"name==x)", ErrorCode::kInvalid},
      {"name=='x", ErrorCode::kInvalid},
      {"name==x y", ErrorCode::kInvalid},
      {"name=in=(a", ErrorCode::kInvalid},
      {"name=in=()", ErrorCode::kInvalid},
      {"weight==ten", ErrorCode::kInvalid},
      {"weight==99999999999999999999", ErrorCode::kInvalid},
      {"active==yes", ErrorCode::kInvalid},
      {"name=is=x", ErrorCode::kInvalid},
      {std::string("name==a\0b", 9), ErrorCode::kInvalid},
      {"colour==red", ErrorCode::kNotFound},
      {"attribute.==red", ErrorCode::kNotFound},
      {"name==x;colour==red", ErrorCode::kNotFound},
      {deep, ErrorCode::kLimit},
      {long_list, ErrorCode::kLimit},
      {many, ErrorCode::kLimit},
      {"name==" + std::string(5000, 'a'), ErrorCode::kLimit},
  };
  for (const Case& c : cases) {
    auto filter = Filter::Parse(c.text, kFields);
    ASSERT_FALSE(filter.ok()) << c.text.substr(0, 60);
    EXPECT_EQ(filter.error().code, c.code) << c.text.substr(0, 60) << ": " << filter.error().what;
  }
}

TEST(Rsql, KnowsWhenOneKeyIsAskedFor) {
  const auto single = [](const char* text) { return Filter::Parse(text, kFields)->SingleEqual("name"); };
  EXPECT_EQ(single("name==pos-17").value_or("-"), "pos-17");
  EXPECT_FALSE(single("name==pos-*").has_value());
  EXPECT_FALSE(single("name!=pos-17").has_value());
  EXPECT_FALSE(single("name==a;weight==1").has_value());
}

TEST(Rsql, MatchesPatternsWithSeveralStars) {
  EXPECT_TRUE(MatchesPattern("", "*"));
  EXPECT_TRUE(MatchesPattern("", ""));
  EXPECT_FALSE(MatchesPattern("a", ""));
  EXPECT_TRUE(MatchesPattern("abcabcd", "*abcd"));
  EXPECT_TRUE(MatchesPattern("abcXdefYd", "a*d*d"));
  EXPECT_FALSE(MatchesPattern("abc", "a*d"));
  EXPECT_FALSE(MatchesPattern("axb", "a\\*b"));
}

}  // namespace
}  // namespace till::mgmt::rsql
