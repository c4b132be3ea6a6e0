#include "core/http/tls_time.h"

#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <cstdio>

#include "core/clock.h"

namespace till::http {
namespace {

// Without time_t: a terminal's OpenSSL may count it in 32 bits where we have 64. -1: cannot be read.
int64_t EndOf(const X509* certificate) {
  tm end{};
  if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &end) != 1) return -1;
  char text[40];
  snprintf(text, sizeof(text), "%04d-%02d-%02dT%02d:%02d:%02dZ", end.tm_year + 1900, end.tm_mon + 1, end.tm_mday,
           end.tm_hour, end.tm_min, end.tm_sec);
  return ParseUtc(text);
}

// Called for every certificate of the chain and for every complaint.
int Judge(int ok, X509_STORE_CTX* store) {
  const int error = X509_STORE_CTX_get_error(store);
  if (ok == 0 && error != X509_V_ERR_CERT_NOT_YET_VALID && error != X509_V_ERR_CERT_HAS_EXPIRED) return 0;
  const X509* certificate = X509_STORE_CTX_get_current_cert(store);
  const auto earliest = *static_cast<const int64_t*>(X509_STORE_CTX_get_app_data(store));
  if (certificate == nullptr || EndOf(certificate) < earliest) {
    X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_HAS_EXPIRED);
    return 0;
  }
  X509_STORE_CTX_set_error(store, X509_V_OK);
  return 1;
}

int Verify(X509_STORE_CTX* store, void* earliest_unix_s) {
  if (X509_STORE_CTX_set_app_data(store, earliest_unix_s) != 1) return 0;
  X509_STORE_CTX_set_verify_cb(store, Judge);
  return X509_verify_cert(store);
}

}  // namespace

void JudgeCertificatesBy(void* ssl_context, int64_t* earliest_unix_s) {
  SSL_CTX_set_cert_verify_callback(static_cast<SSL_CTX*>(ssl_context), Verify, earliest_unix_s);
}

}  // namespace till::http
