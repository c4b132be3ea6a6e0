#include "core/crypto/sign.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <string>
#include <vector>

namespace till::crypto {
namespace {

// Keys of the kinds that the product only verifies are made with OpenSSL itself.
struct OpensslKey {
  std::shared_ptr<EVP_PKEY> key;
  std::string PublicPem() const {
    BIO* bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PUBKEY(bio, key.get());
    char* text = nullptr;
    const long length = BIO_get_mem_data(bio, &text);
    std::string pem(text, static_cast<size_t>(length));
    BIO_free(bio);
    return pem;
  }
  // `salt` = 0 means PKCS#1 v1.5 for an RSA key.
  Bytes Sign(std::string_view message, int salt = RSA_PSS_SALTLEN_DIGEST, const EVP_MD* md = EVP_sha256()) const {
    EVP_MD_CTX* context = EVP_MD_CTX_new();
    EVP_PKEY_CTX* key_context = nullptr;
    EXPECT_EQ(EVP_DigestSignInit(context, &key_context, md, nullptr, key.get()), 1);
    if (EVP_PKEY_get_base_id(key.get()) == EVP_PKEY_RSA && salt != 0) {
      EVP_PKEY_CTX_set_rsa_padding(key_context, RSA_PKCS1_PSS_PADDING);
      EVP_PKEY_CTX_set_rsa_pss_saltlen(key_context, salt);
    }
    size_t size = 2048;
    Bytes signature(size);
    EXPECT_EQ(EVP_DigestSign(context, reinterpret_cast<unsigned char*>(signature.data()), &size,
                             reinterpret_cast<const unsigned char*>(message.data()), message.size()),
              1);
    signature.resize(size);
    EVP_MD_CTX_free(context);
    return signature;
  }
};

OpensslKey Ec(const char* group) { return {{EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", group), EVP_PKEY_free}}; }
OpensslKey RsaForPssOnly() {  // another type of OpenSSL's, with rules of its own in the key
  EVP_PKEY_CTX* context = EVP_PKEY_CTX_new_id(EVP_PKEY_RSA_PSS, nullptr);
  EVP_PKEY* key = nullptr;
  EXPECT_EQ(EVP_PKEY_keygen_init(context), 1);
  EXPECT_EQ(EVP_PKEY_keygen(context, &key), 1);
  EVP_PKEY_CTX_free(context);
  return {{key, EVP_PKEY_free}};
}
OpensslKey Rsa(size_t bits) { return {{EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", bits), EVP_PKEY_free}}; }

TEST(PrivateKey, SignsWhatItsPublicKeyVerifies) {
  const PrivateKey key = PrivateKey::Generate();
  const Result<PublicKey> verifier = PublicKey::FromEd25519(key.public_raw());
  ASSERT_TRUE(verifier.ok());
  const Bytes signature = key.Sign(AsBytes("hello"));
  EXPECT_TRUE(verifier->Verify(AsBytes("hello"), signature).ok());
  EXPECT_EQ(verifier->Verify(AsBytes("hellp"), signature).error().code, ErrorCode::kRefused);
  EXPECT_EQ(key.Sign(AsBytes("hello")), signature);  // deterministic
  EXPECT_TRUE(verifier->Verify({}, key.Sign({})).ok());
}

TEST(PrivateKey, GivesTheFirstSignatureOfRfc8032) {
  // RFC 8032 7.1 test 1, the secret wrapped as PKCS#8 (RFC 8410).
  const std::string pem =
      "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
      "-----END PRIVATE KEY-----\n";
  const Result<PrivateKey> key = PrivateKey::FromPem(pem);
  ASSERT_TRUE(key.ok());
  EXPECT_EQ(ToHex(key->public_raw()), "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
  EXPECT_EQ(ToHex(key->Sign({})),
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f059"
            "5bbe24655141438e7a100b");
  EXPECT_EQ(key->ToPem(), pem);
}

TEST(PrivateKey, RefusesOtherKeysAndRubbish) {
  const OpensslKey ec = Ec("P-256");
  BIO* bio = BIO_new(BIO_s_mem());
  PEM_write_bio_PKCS8PrivateKey(bio, ec.key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  char* text = nullptr;
  const long length = BIO_get_mem_data(bio, &text);
  const std::string ec_pem(text, static_cast<size_t>(length));
  BIO_free(bio);
  for (const std::string& bad : {std::string(), std::string("rubbish"), ec_pem, ec.PublicPem()}) {
    EXPECT_EQ(PrivateKey::FromPem(bad).error().code, ErrorCode::kInvalid) << bad;
  }
  EXPECT_EQ(PrivateKey::FromPem(std::string(20000, 'a')).error().code, ErrorCode::kLimit);
}

TEST(PrivateKey, NeverAsksForAPassPhrase) {
  const OpensslKey key{{EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"), EVP_PKEY_free}};
  BIO* bio = BIO_new(BIO_s_mem());
  PEM_write_bio_PKCS8PrivateKey(bio, key.key.get(), EVP_aes_128_cbc(), "secret", 6, nullptr, nullptr);
  char* text = nullptr;
  const long length = BIO_get_mem_data(bio, &text);
  EXPECT_EQ(PrivateKey::FromPem({text, static_cast<size_t>(length)}).error().code, ErrorCode::kInvalid);
  BIO_free(bio);
}

// covers S12
TEST(PublicKey, RefusesSmallOrderEd25519Keys) {
  // All 14 encodings of the 8 points of small order, canonical or not ("Taming the many EdDSAs", table 1).
  const char* const kEncodings[] = {
      "0100000000000000000000000000000000000000000000000000000000000000",
      "0100000000000000000000000000000000000000000000000000000000000080",
      "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
      "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
      "0000000000000000000000000000000000000000000000000000000000000000",
      "0000000000000000000000000000000000000000000000000000000000000080",
      "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
      "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
      "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
      "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
      "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
      "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
      "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
      "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
  };
  for (const char* hex : kEncodings) {
    EXPECT_EQ(PublicKey::FromEd25519(*FromHex(hex)).error().code, ErrorCode::kRefused) << hex;
    // The same key wrapped as PEM is no way around: SPKI = fixed prefix + raw key.
    const Bytes spki = *FromHex(std::string("302a300506032b6570032100") + hex);
    const unsigned char* at = reinterpret_cast<const unsigned char*>(spki.data());
    const OpensslKey key{{d2i_PUBKEY(nullptr, &at, static_cast<long>(spki.size())), EVP_PKEY_free}};
    ASSERT_NE(key.key, nullptr);
    EXPECT_EQ(PublicKey::FromPem(KeyKind::kEd25519, key.PublicPem()).error().code, ErrorCode::kRefused) << hex;
  }
}

// covers S12
TEST(PublicKey, RefusesTheForgeryThatASmallOrderKeyWouldTake) {
  // A = identity, R = identity, S = 0 verifies for every message if the key is let in: show that OpenSSL takes it,
  // so that the guard above is known to matter.
  const Bytes identity = *FromHex("0100000000000000000000000000000000000000000000000000000000000000");
  Bytes signature = identity;
  signature.resize(64);
  EVP_PKEY* raw = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr,
                                              reinterpret_cast<const unsigned char*>(identity.data()), 32);
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  ASSERT_EQ(EVP_DigestVerifyInit(context, nullptr, nullptr, nullptr, raw), 1);
  EXPECT_EQ(EVP_DigestVerify(context, reinterpret_cast<const unsigned char*>(signature.data()), 64,
                             reinterpret_cast<const unsigned char*>("any"), 3),
            1);
  EVP_MD_CTX_free(context);
  EVP_PKEY_free(raw);
  EXPECT_FALSE(PublicKey::FromEd25519(identity).ok());
}

// covers S12
TEST(PublicKey, RefusesMalformedEd25519Signatures) {
  const PrivateKey key = PrivateKey::Generate();
  const PublicKey verifier = *PublicKey::FromEd25519(key.public_raw());
  const Bytes good = key.Sign(AsBytes("m"));
  for (size_t bit = 0; bit < 512; ++bit) {
    Bytes bent = good;
    bent[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
    EXPECT_FALSE(verifier.Verify(AsBytes("m"), bent).ok()) << bit;
  }
  for (size_t size = 0; size < 64; ++size) EXPECT_FALSE(verifier.Verify(AsBytes("m"), ByteView(good).first(size)).ok());
  Bytes longer = good;
  longer.push_back(std::byte{0});
  EXPECT_FALSE(verifier.Verify(AsBytes("m"), longer).ok());
  // S + L (the group's order) is the classic second form of the same signature.
  const Bytes order = *FromHex("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
  Bytes malleable = good;
  unsigned carry = 0;
  for (size_t i = 0; i < 32; ++i) {
    carry += static_cast<unsigned>(malleable[32 + i]) + static_cast<unsigned>(order[i]);
    malleable[32 + i] = static_cast<std::byte>(carry & 0xff);
    carry >>= 8;
  }
  EXPECT_FALSE(verifier.Verify(AsBytes("m"), malleable).ok());
}

// covers S12
TEST(PublicKey, RefusesMalformedEcdsaSignatures) {
  const OpensslKey key = Ec("P-256");
  const Result<PublicKey> verifier = PublicKey::FromPem(KeyKind::kEcdsaP256, key.PublicPem());
  ASSERT_TRUE(verifier.ok());
  const Bytes good = key.Sign("m");
  EXPECT_TRUE(verifier->Verify(AsBytes("m"), good).ok());
  EXPECT_FALSE(verifier->Verify(AsBytes("n"), good).ok());
  for (size_t bit = 0; bit < good.size() * 8; ++bit) {
    Bytes bent = good;
    bent[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
    EXPECT_FALSE(verifier->Verify(AsBytes("m"), bent).ok()) << bit;
  }
  const std::string n = "00ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
  const std::string kTable[] = {
      "",                                                   // OpenSSL answers -1 here: the reason for "== 1"
      "30",                                                 // half a header
      "3006020100020100",                                   // r = s = 0
      "3006020101020100",                                   // s = 0
      "3006020100020101",                                   // r = 0
      "30060201ff0201ff",                                   // negative
      "3046022100" + n.substr(2) + "022100" + n.substr(2),  // r = s = n
      "30800201010201010000",                               // BER, indefinite length
      "3081060201010201"
      "01",                  // BER, long length
      "300702010102010100",  // trailing byte inside
      "300602010102010100",  // trailing byte outside
      "3008020200010202"
      "0001",  // padded integers
      "0500",  // NULL
  };
  for (const std::string& hex : kTable) {
    EXPECT_EQ(verifier->Verify(AsBytes("m"), *FromHex(hex)).error().code, ErrorCode::kRefused) << hex;
  }
  Bytes trailing = good;
  trailing.push_back(std::byte{0});
  EXPECT_FALSE(verifier->Verify(AsBytes("m"), trailing).ok());
}

// covers S12 S11
TEST(PublicKey, VerifiesRsaPssWithASaltOfTheDigestOnly) {
  const OpensslKey key = Rsa(2048);
  const Result<PublicKey> verifier = PublicKey::FromPem(KeyKind::kRsaPss, key.PublicPem());
  ASSERT_TRUE(verifier.ok());
  const Bytes good = key.Sign("m");
  EXPECT_TRUE(verifier->Verify(AsBytes("m"), good).ok());
  EXPECT_FALSE(verifier->Verify(AsBytes("m"), key.Sign("m", 20)).ok());
  EXPECT_FALSE(verifier->Verify(AsBytes("m"), key.Sign("m", RSA_PSS_SALTLEN_MAX)).ok());
  EXPECT_FALSE(verifier->Verify(AsBytes("m"), key.Sign("m", 0)).ok());  // PKCS#1 v1.5
  EXPECT_FALSE(verifier->Verify(AsBytes("m"), key.Sign("m", RSA_PSS_SALTLEN_DIGEST, EVP_sha384())).ok());
  EXPECT_FALSE(verifier->Verify(AsBytes("m"), Bytes(256)).ok());
  EXPECT_FALSE(verifier->Verify(AsBytes("m"), {}).ok());
}

// covers S11
TEST(PublicKey, ReadsNoPemAboveItsBound) {
  const std::string pem = Ec("prime256v1").PublicPem();
  ASSERT_TRUE(PublicKey::FromPem(KeyKind::kEcdsaP256, pem).ok());
  const std::string padded = pem + std::string(1 << 20, '\n');
  EXPECT_EQ(PublicKey::FromPem(KeyKind::kEcdsaP256, padded).error().code, ErrorCode::kLimit);
}

TEST(PublicKey, IsOnlyOfTheKindItsRecordNames) {
  const OpensslKey keys[] = {{{EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"), EVP_PKEY_free}}, Ec("P-256"), Rsa(2048)};
  const KeyKind kinds[] = {KeyKind::kEd25519, KeyKind::kEcdsaP256, KeyKind::kRsaPss};
  for (size_t i = 0; i < 3; ++i) {
    for (size_t j = 0; j < 3; ++j) EXPECT_EQ(PublicKey::FromPem(kinds[j], keys[i].PublicPem()).ok(), i == j);
  }
  EXPECT_FALSE(PublicKey::FromPem(KeyKind::kEcdsaP256, Ec("P-384").PublicPem()).ok());
  EXPECT_FALSE(PublicKey::FromPem(KeyKind::kEcdsaP256, Ec("secp256k1").PublicPem()).ok());
  EXPECT_FALSE(PublicKey::FromPem(KeyKind::kRsaPss, Rsa(1024).PublicPem()).ok());
  EXPECT_FALSE(PublicKey::FromPem(KeyKind::kRsaPss, RsaForPssOnly().PublicPem()).ok());
  EXPECT_EQ(PublicKey::FromEd25519(Bytes(31)).error().code, ErrorCode::kInvalid);
  EXPECT_EQ(PublicKey::FromPem(KeyKind::kEd25519, "rubbish").error().code, ErrorCode::kInvalid);
}

}  // namespace
}  // namespace till::crypto
