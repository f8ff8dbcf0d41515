/* support_tls.c - authorities and server certificates for one test. */
#include "support_tls.h"

#include <check.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#define HOUR_SEC 3600L

static void add_extension(X509 *certificate, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;

    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    ck_assert_ptr_nonnull(extension);
    ck_assert_int_eq(X509_add_ext(certificate, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

static X509 *new_certificate(EVP_PKEY *key, const char *common_name, long serial, long end_sec)
{
    X509 *certificate = X509_new();

    ck_assert_ptr_nonnull(certificate);
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -48 * HOUR_SEC);
    X509_gmtime_adj(X509_getm_notAfter(certificate), end_sec);
    X509_set_pubkey(certificate, key);
    ck_assert_int_eq(X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN",
                                                MBSTRING_ASC, (const unsigned char *)common_name,
                                                -1, -1, 0),
                     1);
    return certificate;
}

void tls_authority_make(struct tls_authority *authority)
{
    static int count;
    char name[64];

    snprintf(name, sizeof name, "authority %d of a test", ++count);
    authority->key = EVP_EC_gen("P-256");
    ck_assert_ptr_nonnull(authority->key);
    authority->certificate = new_certificate(authority->key, name, 1, HOUR_SEC);
    X509_set_issuer_name(authority->certificate, X509_get_subject_name(authority->certificate));
    add_extension(authority->certificate, authority->certificate, NID_basic_constraints,
                  "critical,CA:TRUE");
    ck_assert_int_gt(X509_sign(authority->certificate, authority->key, EVP_sha256()), 0);

    authority->fd = memfd_create("authority", 0);
    ck_assert_int_ge(authority->fd, 0);
    snprintf(authority->file, sizeof authority->file, "/proc/self/fd/%d", authority->fd);
    FILE *file = fopen(authority->file, "w");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(PEM_write_X509(file, authority->certificate), 1);
    fclose(file);
}

void tls_authority_done(struct tls_authority *authority)
{
    close(authority->fd);
    X509_free(authority->certificate);
    EVP_PKEY_free(authority->key);
}

SSL_CTX *tls_server(const struct tls_authority *authority, const char *name, bool is_expired)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    ck_assert_ptr_nonnull(key);
    X509 *certificate = new_certificate(key, "server", 2, is_expired ? -HOUR_SEC : HOUR_SEC);
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());

    ck_assert_ptr_nonnull(context);
    X509_set_issuer_name(certificate, X509_get_subject_name(authority->certificate));
    add_extension(certificate, authority->certificate, NID_subject_alt_name, name);
    ck_assert_int_gt(X509_sign(certificate, authority->key, EVP_sha256()), 0);
    ck_assert_int_eq(SSL_CTX_use_certificate(context, certificate), 1);
    ck_assert_int_eq(SSL_CTX_use_PrivateKey(context, key), 1);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return context;
}
