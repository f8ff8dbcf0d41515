/* link_tls.c - TLS towards Redis: what one connection is made of, and why it was refused. */
#include "queue/link_tls.h"

#include "base/file_mode.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The first thing that OpenSSL found wrong; its queue is empty afterwards. */
static const char *openssl_reason(void)
{
    const char *reason = ERR_reason_error_string(ERR_peek_error());

    ERR_clear_error();
    return reason != NULL ? reason : "is no such file, or memory is short";
}

static bool trust(SSL_CTX *context, const struct link_tls *tls, char *reterr_why, size_t size)
{
    if (tls->ca_file[0] == '\0' && SSL_CTX_set_default_verify_paths(context) == 1)
        return true;
    if (tls->ca_file[0] != '\0' && SSL_CTX_load_verify_file(context, tls->ca_file) == 1)
        return true;
    snprintf(reterr_why, size, "redis.ca_file: %s: %s",
             tls->ca_file[0] != '\0' ? tls->ca_file : "the authorities of the system",
             access(tls->ca_file, R_OK) != 0 ? strerror(errno) : openssl_reason());
    return false;
}

/* A key with a passphrase is refused: nobody is there to be asked. */
static int on_passphrase_wanted(char *target, int size, int is_for_writing, void *user)
{
    (void)target;
    (void)size;
    (void)is_for_writing;
    (void)user;
    return -1;
}

/* Reads what it has checked: the file is opened once. */
static EVP_PKEY *read_key(const char *path, const char **reterr_why)
{
    struct stat status;
    EVP_PKEY *key = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not block the loop */
    FILE *file = fd >= 0 ? fdopen(fd, "r") : NULL;

    if (file == NULL || fstat(fd, &status) != 0)
        *reterr_why = strerror(errno);
    else if ((*reterr_why = file_mode_fault(status.st_mode)) == NULL &&
             (key = PEM_read_PrivateKey(file, NULL, on_passphrase_wanted, NULL)) == NULL)
        *reterr_why = openssl_reason();
    if (file != NULL)
        fclose(file);
    else if (fd >= 0)
        close(fd);
    return key;
}

static bool use_key(SSL_CTX *context, const char *path, char *reterr_why, size_t size)
{
    const char *why = NULL;
    EVP_PKEY *key = read_key(path, &why);

    if (key != NULL && SSL_CTX_use_PrivateKey(context, key) != 1)
        why = openssl_reason(); /* it is not the one of the certificate, for example */
    EVP_PKEY_free(key);
    if (why == NULL)
        return true;
    snprintf(reterr_why, size, "redis.key_file: %s: %s", path, why);
    return false;
}

static bool introduce(SSL_CTX *context, const struct link_tls *tls, char *reterr_why, size_t size)
{
    if (tls->cert_file[0] == '\0')
        return true;
    if (SSL_CTX_use_certificate_chain_file(context, tls->cert_file) != 1) {
        snprintf(reterr_why, size, "redis.cert_file: %s: %s", tls->cert_file,
                 access(tls->cert_file, R_OK) != 0 ? strerror(errno) : openssl_reason());
        return false;
    }
    return use_key(context, tls->key_file, reterr_why, size);
}

static SSL_CTX *make_context(const struct link_tls *tls, char *reterr_why, size_t size)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());

    snprintf(reterr_why, size, "TLS cannot begin: out of memory");
    if (context == NULL || SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1 ||
        !trust(context, tls, reterr_why, size) || !introduce(context, tls, reterr_why, size)) {
        SSL_CTX_free(context);
        return NULL;
    }
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION);
    return context;
}

/* An address must stand in the certificate as one, a name as a name; only names are sent (SNI). */
static bool expect_name(SSL *ssl, const char *host)
{
    if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1)
        return true;
    char name[HOST_MAX_LEN + 1]; /* OpenSSL copies it, but its macro wants it mutable */
    text_copy(name, sizeof name, host, strlen(host));
    ERR_clear_error();
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set1_host(ssl, host) == 1 && SSL_set_tlsext_host_name(ssl, name) == 1;
}

SSL *link_tls_open(const struct link_address *address, char *reterr_why, size_t size)
{
    ERR_clear_error(); /* what others left there is not about this */

    SSL_CTX *context = make_context(&address->tls, reterr_why, size);
    SSL *ssl = context != NULL ? SSL_new(context) : NULL;

    SSL_CTX_free(context); /* `ssl` holds it */
    if (ssl != NULL && !expect_name(ssl, address->host)) {
        SSL_free(ssl);
        ssl = NULL;
    }
    return ssl;
}

/* What is wrong with the server's certificate, and what people do about it. */
static const char *verdict_text(long verdict)
{
    switch (verdict) {
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        return "is for another name; write a name of the certificate into redis.url";
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        return "is of an authority that is not trusted; name the authority's certificate in "
               "redis.ca_file";
    case X509_V_ERR_CERT_HAS_EXPIRED:
        return "has expired; renew it at Redis";
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return "is not valid yet; is the clock of this host right?";
    default:
        return NULL;
    }
}

static void explain_verdict(const struct link_address *address, long verdict, char *reterr_why,
                            size_t size)
{
    const char *text = verdict_text(verdict);

    if (text != NULL)
        snprintf(reterr_why, size, "TLS refused: the certificate of %s %s", address->host, text);
    else
        snprintf(reterr_why, size, "TLS refused: the certificate of %s is not good: %s",
                 address->host, X509_verify_cert_error_string(verdict));
}

static void explain_alert(const struct link_address *address, unsigned long error, char *reterr_why,
                          size_t size)
{
    const char *reason = ERR_reason_error_string(error);

    snprintf(reterr_why, size, "TLS refused by %s: %s%s", address->host,
             reason != NULL ? reason : "no reason given",
             address->tls.cert_file[0] != '\0' ? "; does it trust redis.cert_file?" : "");
}

/* What a server says, or does, that wants a certificate of us: the same words for both. */
static void explain_identity(const struct link_address *address, char *reterr_why, size_t size)
{
    if (address->tls.cert_file[0] == '\0')
        snprintf(reterr_why, size,
                 "TLS refused by %s: it seems to want a certificate of this client "
                 "(tls-auth-clients); set redis.cert_file and redis.key_file",
                 address->host);
    else
        snprintf(reterr_why, size,
                 "%s ends each connection as soon as TLS stands; does it trust "
                 "redis.cert_file?",
                 address->host);
}

/*
 * In TLS 1.3 a server refuses our certificate after we have begun to speak. Its alert lies there to
 * be read, though writing has failed first.
 */
static unsigned long last_word(SSL *ssl)
{
    char byte;
    unsigned long error = 0;

    ERR_clear_error();
    if (SSL_is_init_finished(ssl) && SSL_peek(ssl, &byte, 1) <= 0)
        error = ERR_peek_error();
    ERR_clear_error();
    return error;
}

bool link_tls_explain(const struct link_address *address, SSL *ssl, unsigned long error,
                      char *reterr_why, size_t size)
{
    long verdict = SSL_get_verify_result(ssl);

    if (verdict != X509_V_OK) {
        explain_verdict(address, verdict, reterr_why, size);
        return true;
    }
    if (ERR_GET_LIB(error) != ERR_LIB_SSL)
        error = last_word(ssl);
    if (ERR_GET_LIB(error) != ERR_LIB_SSL)
        return false;
    switch (ERR_GET_REASON(error)) {
    case SSL_R_UNEXPECTED_EOF_WHILE_READING:
        return false;
    case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
    case SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE:
        if (address->tls.cert_file[0] == '\0')
            explain_identity(address, reterr_why, size);
        else
            explain_alert(address, error, reterr_why, size);
        return true;
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_PACKET_LENGTH_TOO_LONG:
        link_tls_explain_silence(address, false, reterr_why, size);
        return true;
    case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
    case SSL_R_UNSUPPORTED_PROTOCOL:
        snprintf(reterr_why, size,
                 "TLS refused: %s speaks TLS before 1.2 only; look at its tls-protocols",
                 address->host);
        return true;
    default:
        explain_alert(address, error, reterr_why, size);
        return true;
    }
}

void link_tls_explain_silence(const struct link_address *address, bool is_agreed, char *reterr_why,
                              size_t size)
{
    if (is_agreed)
        explain_identity(address, reterr_why, size);
    else
        snprintf(reterr_why, size,
                 "no TLS at %s:%u: give redis.url the port that speaks it (tls-port), or redis://",
                 address->host, (unsigned)address->port);
}
