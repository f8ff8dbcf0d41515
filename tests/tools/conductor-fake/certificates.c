/* certificates.c - makes certificates with libcrypto. Sources: RFC 5280 sections 4.1, 4.2. */
#include "certificates.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define CURVE          "P-256"
#define SEC_PER_DAY    (24L * 60 * 60)
#define LIFE_DAYS      3650
#define VERSION_3      2 /* counted from 0 */
#define LOOPBACK_NAMES "DNS:localhost,IP:127.0.0.1,IP:::1"

struct issuer {
    X509 *certificate;
    EVP_PKEY *key;
};

struct blueprint {
    const char *file;
    const char *name;
    const char *alternative_names; /* NULL: a CA */
    long from_days;
    long until_days;
};

static const struct blueprint ca = {"ca.pem", "conductor-fake CA", NULL, -2, LIFE_DAYS};
static const struct blueprint unknown_ca = {NULL, "conductor-fake unknown CA", NULL, -2, LIFE_DAYS};
static const struct blueprint unknown = {"unknown.pem", "localhost", LOOPBACK_NAMES, -2, LIFE_DAYS};
static const struct blueprint known[] = {
    {"expired.pem", "localhost", LOOPBACK_NAMES, -30, -1},
    {"wrongname.pem", "wrong.example", "DNS:wrong.example", -2, LIFE_DAYS},
    {"server.pem", "localhost", LOOPBACK_NAMES, -2, LIFE_DAYS},
};

static bool add_extension(X509 *certificate, const struct issuer *issuer, int nid,
                          const char *value)
{
    X509V3_CTX context;

    X509V3_set_ctx(&context, issuer->certificate, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    bool done = extension != NULL && X509_add_ext(certificate, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return done;
}

static bool add_extensions(X509 *certificate, const struct issuer *issuer,
                           const struct blueprint *blueprint)
{
    bool is_ca = blueprint->alternative_names == NULL;

    /* The subject's own identifier first: a CA's authority is itself. */
    return add_extension(certificate, issuer, NID_basic_constraints,
                         is_ca ? "critical,CA:TRUE" : "critical,CA:FALSE") &&
           add_extension(certificate, issuer, NID_key_usage,
                         is_ca ? "critical,keyCertSign,cRLSign" : "critical,digitalSignature") &&
           add_extension(certificate, issuer, NID_subject_key_identifier, "hash") &&
           add_extension(certificate, issuer, NID_authority_key_identifier, "keyid") &&
           (is_ca || (add_extension(certificate, issuer, NID_ext_key_usage, "serverAuth") &&
                      add_extension(certificate, issuer, NID_subject_alt_name,
                                    blueprint->alternative_names)));
}

static bool set_fields(X509 *certificate, EVP_PKEY *key, const struct blueprint *blueprint)
{
    uint32_t serial = 0;
    X509_NAME *name = X509_get_subject_name(certificate);

    return RAND_bytes((unsigned char *)&serial, sizeof serial) == 1 &&
           X509_set_version(certificate, VERSION_3) == 1 &&
           ASN1_INTEGER_set(X509_get_serialNumber(certificate), (long)(serial >> 1) + 1) == 1 &&
           X509_gmtime_adj(X509_getm_notBefore(certificate), blueprint->from_days * SEC_PER_DAY) !=
               NULL &&
           X509_gmtime_adj(X509_getm_notAfter(certificate), blueprint->until_days * SEC_PER_DAY) !=
               NULL &&
           X509_set_pubkey(certificate, key) == 1 &&
           X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                                      (const unsigned char *)blueprint->name, -1, -1, 0) == 1;
}

/* Signed by `issuer`; by itself when that has no certificate. NULL: libcrypto failed. */
static X509 *make(EVP_PKEY *key, const struct issuer *issuer, const struct blueprint *blueprint)
{
    X509 *certificate = X509_new();
    struct issuer by = {issuer->certificate == NULL ? certificate : issuer->certificate,
                        issuer->key};

    if (certificate != NULL && set_fields(certificate, key, blueprint) &&
        X509_set_issuer_name(certificate, X509_get_subject_name(by.certificate)) == 1 &&
        add_extensions(certificate, &by, blueprint) &&
        X509_sign(certificate, by.key, EVP_sha256()) > 0)
        return certificate;
    X509_free(certificate);
    return NULL;
}

static FILE *create(int folder, const char *file, mode_t mode)
{
    int fd = openat(folder, file, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, mode);

    return fd < 0 ? NULL : fdopen(fd, "w");
}

static bool write_certificate(int folder, const char *file, X509 *certificate)
{
    FILE *stream = create(folder, file, 0644);
    bool done = stream != NULL && PEM_write_X509(stream, certificate) == 1;

    return stream != NULL && fclose(stream) == 0 && done;
}

static bool write_key(int folder, EVP_PKEY *key)
{
    FILE *stream = create(folder, CERTIFICATES_KEY, 0600);
    bool done = stream != NULL && PEM_write_PrivateKey(stream, key, NULL, NULL, 0, NULL, NULL) == 1;

    return stream != NULL && fclose(stream) == 0 && done;
}

/* A CA with a key that lives no longer than this process. */
static bool make_issuer(const struct blueprint *blueprint, struct issuer *ret_issuer)
{
    struct issuer itself = {NULL, EVP_EC_gen(CURVE)};

    *ret_issuer = itself;
    if (itself.key != NULL)
        ret_issuer->certificate = make(itself.key, &itself, blueprint);
    return ret_issuer->certificate != NULL;
}

static bool make_and_write(int folder, EVP_PKEY *key, const struct issuer *issuer,
                           const struct blueprint *blueprint)
{
    X509 *certificate = make(key, issuer, blueprint);
    bool done = certificate != NULL && write_certificate(folder, blueprint->file, certificate);

    X509_free(certificate);
    return done;
}

/* server.pem comes last: it says that all are there. */
static bool make_all(int folder)
{
    struct issuer issuer = {NULL, NULL};
    struct issuer stranger = {NULL, NULL};
    EVP_PKEY *key = EVP_EC_gen(CURVE);

    bool done = key != NULL && make_issuer(&ca, &issuer) && make_issuer(&unknown_ca, &stranger) &&
                write_key(folder, key) && write_certificate(folder, ca.file, issuer.certificate) &&
                make_and_write(folder, key, &stranger, &unknown);
    for (size_t i = 0; i < sizeof known / sizeof known[0] && done; i++)
        done = make_and_write(folder, key, &issuer, &known[i]);

    EVP_PKEY_free(key);
    X509_free(issuer.certificate);
    EVP_PKEY_free(issuer.key);
    X509_free(stranger.certificate);
    EVP_PKEY_free(stranger.key);
    return done;
}

enum result certificates_make(const char *folder, struct buffer *reterr_reason)
{
    enum result result = RESULT_OK;

    if (mkdir(folder, 0755) != 0 && errno != EEXIST) {
        buffer_append_format(reterr_reason, "%s: %s", folder, strerror(errno));
        return RESULT_SYSTEM;
    }
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || flock(fd, LOCK_EX) != 0) {
        buffer_append_format(reterr_reason, "%s: %s", folder, strerror(errno));
        result = RESULT_SYSTEM;
    } else if (faccessat(fd, "server.pem", R_OK, 0) != 0 && !make_all(fd)) {
        buffer_append_format(reterr_reason, "%s: certificates could not be made", folder);
        result = RESULT_SYSTEM;
    }
    if (fd >= 0)
        close(fd); /* and with it the lock */
    return result;
}
