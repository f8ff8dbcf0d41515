/* secret.c - where secrets are found, and how they are held. */
#include "config/secret.h"

#include "base/file_mode.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct secret {
    size_t len;
    char text[SECRET_MAX_LEN + 2]; /* room to see that there is too much, and for NUL */
    char fingerprint[SECRET_FINGERPRINT_LEN + 1];
    char source[SECRET_SOURCE_MAX_LEN + 1];
    char shadowed[SECRET_SOURCE_MAX_LEN + 1];
};

static size_t mapped_bytes(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    return (sizeof(struct secret) + page - 1) / page * page;
}

/* Zeroed pages of its own. */
static struct secret *secret_new(void)
{
    void *pages =
        mmap(NULL, mapped_bytes(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (pages == MAP_FAILED)
        return NULL;
    /* Both are the best that can be done, not a condition: RLIMIT_MEMLOCK may be 0. */
    (void)mlock(pages, mapped_bytes());
    (void)madvise(pages, mapped_bytes(), MADV_DONTDUMP);
    return pages;
}

struct secret *secret_free(struct secret *secret)
{
    if (secret != NULL) {
        explicit_bzero(secret, sizeof *secret);
        munmap(secret, mapped_bytes());
    }
    return NULL;
}

const char *secret_text(const struct secret *secret)
{
    return secret->text;
}

const char *secret_fingerprint(const struct secret *secret)
{
    return secret->fingerprint;
}

const char *secret_source(const struct secret *secret)
{
    return secret->source;
}

const char *secret_shadowed(const struct secret *secret)
{
    return secret->shadowed[0] == '\0' ? NULL : secret->shadowed;
}

static const char *read_into(int fd, struct secret *secret)
{
    while (secret->len < SECRET_MAX_LEN + 1) {
        ssize_t len = read(fd, secret->text + secret->len, SECRET_MAX_LEN + 1 - secret->len);
        if (len < 0 && errno == EINTR)
            continue;
        if (len < 0)
            return strerror(errno);
        if (len == 0)
            break;
        secret->len += (size_t)len;
    }
    return NULL;
}

/* NULL: `secret` holds the file's bytes. */
static const char *read_file(const char *path, bool is_mode_checked, struct secret *secret)
{
    struct stat status;
    /* O_NONBLOCK: a FIFO must not hold the start up; it is refused below. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    const char *fault;

    if (fd < 0 && errno == EACCES)
        return "cannot be read by the user who runs this: of the daemon it needs "
               "chgrp authlinkd and chmod 640, and folders that it may enter";
    if (fd < 0)
        return strerror(errno);
    if (fstat(fd, &status) != 0)
        fault = strerror(errno);
    else
        fault = is_mode_checked ? file_mode_fault(status.st_mode) : NULL;
    if (fault == NULL)
        fault = read_into(fd, secret);
    close(fd);
    return fault;
}

/* Trims, and tells what is wrong with what is left; NULL: nothing. */
static const char *finish(struct secret *secret, size_t max_len)
{
    size_t len;
    const char *start = text_trim(secret->text, secret->len, &len);

    memmove(secret->text, start, len);
    explicit_bzero(secret->text + len, sizeof secret->text - len);
    secret->len = len;
    if (len == 0)
        return "is empty";
    if (len > max_len)
        return "is too long";
    for (size_t i = 0; i < len; i++) {
        unsigned char byte = (unsigned char)secret->text[i];
        if (byte < ' ' || byte == 0x7f)
            return "has control bytes or several lines";
    }
    return NULL;
}

static enum result set_fingerprint(struct secret *secret)
{
    unsigned char digest[EVP_MAX_MD_SIZE];

    if (EVP_Digest(secret->text, secret->len, digest, NULL, EVP_sha256(), NULL) != 1)
        return RESULT_NO_MEMORY;
    text_hex(digest, SECRET_FINGERPRINT_LEN / 2, secret->fingerprint);
    return RESULT_OK;
}

/* The three places, in the order in which they are looked at. */
enum place { PLACE_FILE, PLACE_CREDENTIAL, PLACE_ENVIRONMENT, PLACE_COUNT };

/* Writes what the place is, for people and, of files, to be opened. False: it is not used. */
static bool name_place(const struct secret_places *places, enum place place, char *path,
                       size_t size, char *label, size_t label_size)
{
    const char *folder = getenv("CREDENTIALS_DIRECTORY");
    const char *value;

    switch (place) {
    case PLACE_FILE:
        if (places->file == NULL || places->file[0] == '\0')
            return false;
        snprintf(path, size, "%s", places->file);
        snprintf(label, label_size, "file %.*s", (int)(label_size - sizeof "file "), path);
        return true;
    case PLACE_CREDENTIAL:
        if (places->credential == NULL || folder == NULL || folder[0] == '\0')
            return false;
        snprintf(path, size, "%s/%s", folder, places->credential);
        snprintf(label, label_size, "credential %s", places->credential);
        return access(path, F_OK) == 0;
    case PLACE_ENVIRONMENT:
        value = places->env_variable == NULL ? NULL : getenv(places->env_variable);
        if (value == NULL || value[0] == '\0')
            return false;
        snprintf(label, label_size, "environment %s", places->env_variable);
        return true;
    case PLACE_COUNT:
        break;
    }
    return false;
}

static const char *read_environment(const char *variable, struct secret *secret)
{
    const char *value = getenv(variable);
    size_t len = strlen(value);

    secret->len = len > SECRET_MAX_LEN + 1 ? SECRET_MAX_LEN + 1 : len;
    memcpy(secret->text, value, secret->len);
    return NULL;
}

/*
 * Reads one place into a secret of its own. RESULT_NOT_FOUND: the place is not used.
 * RESULT_INVALID: *reterr_fault says why; `label` is then set as well.
 */
static enum result read_place(const struct secret_places *places, enum place place,
                              struct secret **ret_secret, char *label, size_t label_size,
                              const char **reterr_fault)
{
    char path[SECRET_SOURCE_MAX_LEN + 1];

    if (!name_place(places, place, path, sizeof path, label, label_size))
        return RESULT_NOT_FOUND;

    struct secret *secret = secret_new();
    if (secret == NULL)
        return RESULT_NO_MEMORY;
    /* Who may see credentials is systemd's care; it uses access lists that a mode cannot show. */
    const char *fault = place == PLACE_ENVIRONMENT ? read_environment(places->env_variable, secret)
                                                   : read_file(path, place == PLACE_FILE, secret);
    if (fault == NULL)
        fault = finish(secret, places->max_len);
    if (fault != NULL) {
        *reterr_fault = fault;
        secret_free(secret);
        return RESULT_INVALID;
    }
    text_copy(secret->source, sizeof secret->source, label, strlen(label));
    *ret_secret = secret;
    return RESULT_OK;
}

/* Looks whether a later place has another one. What cannot be read there was not to be used anyway.
 */
static void look_for_shadowed(const struct secret_places *places, enum place used,
                              struct secret *secret)
{
    char label[SECRET_SOURCE_MAX_LEN + 1];
    const char *fault;

    for (enum place place = used + 1; place < PLACE_COUNT && secret->shadowed[0] == '\0'; place++) {
        struct secret *other = NULL;
        if (read_place(places, place, &other, label, sizeof label, &fault) != RESULT_OK)
            continue;
        if (other->len != secret->len || memcmp(other->text, secret->text, secret->len) != 0)
            text_copy(secret->shadowed, sizeof secret->shadowed, label, strlen(label));
        secret_free(other);
    }
}

enum result secret_load(const struct secret_places *places, struct secret **ret_secret,
                        struct buffer *reterr_messages)
{
    char label[SECRET_SOURCE_MAX_LEN + 1];
    struct secret *secret = NULL;
    const char *fault = NULL;
    enum result result = RESULT_NOT_FOUND;
    enum place place;

    for (place = PLACE_FILE; place < PLACE_COUNT; place++) {
        result = read_place(places, place, &secret, label, sizeof label, &fault);
        if (result != RESULT_NOT_FOUND)
            break;
    }
    if (result == RESULT_INVALID)
        buffer_append_format(reterr_messages, "%s: %s %s\n", places->setting, label, fault);
    if (result != RESULT_OK)
        return result;

    result = set_fingerprint(secret);
    if (result != RESULT_OK) {
        secret_free(secret);
        return result;
    }
    look_for_shadowed(places, place, secret);
    *ret_secret = secret;
    return RESULT_OK;
}
