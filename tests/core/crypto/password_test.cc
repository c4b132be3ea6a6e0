#include "core/crypto/password.h"

#include <gtest/gtest.h>

namespace till::crypto {
namespace {

TEST(Password, IsVerifiedByItselfOnly) {
  const auto phc = ScryptHash("correct horse");
  ASSERT_TRUE(phc.ok());
  EXPECT_TRUE(phc->starts_with("$scrypt$ln=15,r=8,p=1$")) << *phc;
  EXPECT_TRUE(ScryptVerify("correct horse", *phc).ok());
  EXPECT_EQ(ScryptVerify("correct horsf", *phc).error().code, ErrorCode::kRefused);
  EXPECT_NE(*ScryptHash("correct horse"), *phc) << "the salt must differ";
}

TEST(Password, AgreesWithRfc7914) {  // section 12, third vector, N=16384 r=8 p=1, first 32 bytes (PBKDF2 prefix-closed)
  const std::string phc = "$scrypt$ln=14,r=8,p=1$" + ToBase64("SodiumChloride", false) + "$" +
                          ToBase64(std::string("\x70\x23\xbd\xcb\x3a\xfd\x73\x48\x46\x1c\x06\xcd\x81\xfd\x38\xeb"
                                               "\xfd\xa8\xfb\xba\x90\x4f\x8e\x3e\xa9\xb5\x43\xf6\x54\x5d\xa1\xf2",
                                               32),
                                   false);
  EXPECT_TRUE(ScryptVerify("pleaseletmein", phc).ok());
}

TEST(Password, RefusesWhatIsNoScryptString) {
  for (const char* phc : {"", "$scrypt$", "$scrypt$ln=31,r=8,p=1$AAAA$AAAA", "$scrypt$ln=15,r=8$AAAA$AAAA",
                          "$argon2$ln=15,r=8,p=1$AAAA$AAAA", "$scrypt$ln=15,r=8,p=0$AAAA$AAAA",
                          "$scrypt$ln=15,r=8,p=1$A!AA$AAAA", "$scrypt$ln=15,r=8,p=1$AAAA$AAAA$"}) {
    EXPECT_FALSE(ScryptVerify("x", phc).ok()) << phc;
  }
}

TEST(Base64, IsRfc4648) {
  const std::pair<const char*, const char*> table[] = {{"", ""},
                                                       {"f", "Zg=="},
                                                       {"fo", "Zm8="},
                                                       {"foo", "Zm9v"},
                                                       {"foob", "Zm9vYg=="},
                                                       {"fooba", "Zm9vYmE="},
                                                       {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, text] : table) {
    EXPECT_EQ(ToBase64(plain, true), text);
    ASSERT_TRUE(FromBase64(text).ok()) << text;
    EXPECT_EQ(*FromBase64(text), plain);
  }
  for (const char* bad : {"Z", "Zg=", "Zh==", "Zm9v Yg", "Zg===", "=", "Zm-_"})
    EXPECT_FALSE(FromBase64(bad).ok()) << bad;
}

}  // namespace
}  // namespace till::crypto
