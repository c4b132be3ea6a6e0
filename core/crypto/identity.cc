#include "core/crypto/identity.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <cstdlib>
#include <cstring>
#include <memory>

namespace till::crypto {
namespace {

constexpr size_t kMaxNameBytes = 128;
constexpr size_t kMaxPemBytes = 16 << 10;

template <auto kFree>
struct FreeWith {
  template <class T>
  void operator()(T* p) const {
    kFree(p);
  }
};
using Key = std::unique_ptr<EVP_PKEY, FreeWith<EVP_PKEY_free>>;
using Bio = std::unique_ptr<BIO, FreeWith<BIO_free_all>>;
using Request = std::unique_ptr<X509_REQ, FreeWith<X509_REQ_free>>;
using Extension = std::unique_ptr<X509_EXTENSION, FreeWith<X509_EXTENSION_free>>;

std::string TextOf(BIO* bio) {
  char* text = nullptr;
  const long length = BIO_get_mem_data(bio, &text);
  return std::string(text, static_cast<size_t>(length));
}

// Letters that mean nothing to OpenSSL's configuration syntax, in which extensions are written.
bool IsPlain(const std::string& text) {
  if (text.empty() || text.size() > kMaxNameBytes) return false;
  for (const char c : text) {
    const bool plain =
        (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || strchr("-._:/@+", c) != nullptr;
    if (!plain) return false;
  }
  return true;
}

void FreeExtensions(STACK_OF(X509_EXTENSION) * list) { sk_X509_EXTENSION_pop_free(list, X509_EXTENSION_free); }

bool AddExtensions(X509_REQ* request, const std::string& uri) {
  const std::unique_ptr<STACK_OF(X509_EXTENSION), FreeWith<FreeExtensions>> list(sk_X509_EXTENSION_new_null());
  if (!list) abort();
  const std::string name = "URI:" + uri;
  for (const auto& [nid, value] : {std::pair{NID_subject_alt_name, name.c_str()}, {NID_ext_key_usage, "clientAuth"}}) {
    Extension extension(X509V3_EXT_conf_nid(nullptr, nullptr, nid, value));
    if (!extension || sk_X509_EXTENSION_push(list.get(), extension.get()) == 0) return false;
    (void)extension.release();
  }
  return X509_REQ_add_extensions(request, list.get()) == 1;
}

}  // namespace

std::string MakeP256KeyPem() {
  const Key key(EVP_EC_gen("P-256"));
  const Bio bio(BIO_new(BIO_s_mem()));
  if (!key || !bio || PEM_write_bio_PKCS8PrivateKey(bio.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) != 1) {
    abort();
  }
  return TextOf(bio.get());
}

Result<std::string> MakeCertificateRequest(std::string_view key_pem, const std::string& common_name,
                                           const std::string& uri) {
  if (key_pem.size() > kMaxPemBytes) return Error{ErrorCode::kLimit, "the key is too long", kMaxPemBytes};
  if (!IsPlain(common_name) || !IsPlain(uri)) {
    return Error{ErrorCode::kInvalid, "a name in a certificate has plain letters, 128 at most"};
  }
  const Bio in(BIO_new_mem_buf(key_pem.data(), static_cast<int>(key_pem.size())));
  if (!in) abort();
  const Key key(PEM_read_bio_PrivateKey(in.get(), nullptr, nullptr, const_cast<char*>("")));
  ERR_clear_error();
  if (!key || EVP_PKEY_get_base_id(key.get()) != EVP_PKEY_EC || EVP_PKEY_get_bits(key.get()) != 256) {
    return Error{ErrorCode::kInvalid, "this is no P-256 key"};
  }
  const Request request(X509_REQ_new());
  const Bio out(BIO_new(BIO_s_mem()));
  if (!request || !out) abort();
  X509_NAME* subject = X509_REQ_get_subject_name(request.get());
  const auto* name = reinterpret_cast<const unsigned char*>(common_name.c_str());
  const bool made = X509_REQ_set_version(request.get(), X509_REQ_VERSION_1) == 1 &&
                    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, name, -1, -1, 0) == 1 &&
                    X509_REQ_set_pubkey(request.get(), key.get()) == 1 && AddExtensions(request.get(), uri) &&
                    X509_REQ_sign(request.get(), key.get(), EVP_sha256()) > 0 &&
                    PEM_write_bio_X509_REQ(out.get(), request.get()) == 1;
  ERR_clear_error();
  if (!made) return Error{ErrorCode::kInvalid, "the certificate request cannot be made"};
  return TextOf(out.get());
}

}  // namespace till::crypto
