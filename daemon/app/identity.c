/* identity.c - owner and lock of this process. */
#include "app/identity.h"

#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* Appends the first bytes of a small file; a file that is not there adds nothing. */
static void append_file(struct buffer *text, const char *path)
{
    char bytes[128];
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return;
    ssize_t len = read(fd, bytes, sizeof bytes);
    if (len > 0)
        buffer_append(text, bytes, (size_t)len);
    close(fd);
}

static enum result find_host_id(char *ret_host_id)
{
    struct buffer text;
    struct stat namespace;
    unsigned char digest[EVP_MAX_MD_SIZE];

    if (stat("/proc/self/ns/net", &namespace) != 0)
        return RESULT_SYSTEM;
    buffer_init(&text, 1024);
    append_file(&text, "/etc/machine-id");
    append_file(&text, "/proc/sys/kernel/random/boot_id");
    buffer_append_format(&text, "%ju", (uintmax_t) namespace.st_ino);
    int hashed =
        text.failed ? 0 : EVP_Digest(text.data, text.len, digest, NULL, EVP_sha256(), NULL);
    buffer_done(&text);
    if (hashed != 1) {
        errno = ENOMEM;
        return RESULT_SYSTEM;
    }
    text_hex(digest, HOST_ID_LEN / 2, ret_host_id);
    return RESULT_OK;
}

/* Abstract: the first byte of the name is NUL, and the length counts (unix(7)). */
static socklen_t lock_address(const char *instance, const char *key_prefix,
                              struct sockaddr_un *ret_address)
{
    char name[sizeof ret_address->sun_path];
    int len = snprintf(name, sizeof name, "authlinkd/%s/%s", key_prefix, instance);

    *ret_address = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (len < 0 || (size_t)len >= sizeof name)
        return 0;
    memcpy(ret_address->sun_path + 1, name, (size_t)len);
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)len);
}

/* The process that listens on the other end, by the kernel's word. */
static pid_t find_holder(const struct sockaddr_un *address, socklen_t address_len)
{
    struct ucred credentials = {0};
    socklen_t len = sizeof credentials;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return 0;
    if (connect(fd, (const struct sockaddr *)address, address_len) != 0 ||
        getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &len) != 0)
        credentials.pid = 0;
    close(fd);
    return credentials.pid;
}

static enum result take_lock(const char *instance, const char *key_prefix, int *ret_fd,
                             pid_t *reterr_holder)
{
    struct sockaddr_un address;
    socklen_t address_len = lock_address(instance, key_prefix, &address);

    if (address_len == 0) {
        errno = ENAMETOOLONG;
        return RESULT_SYSTEM;
    }

    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return RESULT_SYSTEM;
    if (bind(fd, (const struct sockaddr *)&address, address_len) != 0 ||
        listen(fd, IDENTITY_ASKERS_MAX) != 0) {
        int saved_errno = errno;
        close(fd);
        errno = saved_errno;
        if (saved_errno != EADDRINUSE)
            return RESULT_SYSTEM;
        *reterr_holder = find_holder(&address, address_len);
        return RESULT_EXISTS;
    }
    *ret_fd = fd;
    return RESULT_OK;
}

enum result identity_take(const char *instance, const char *key_prefix,
                          struct identity *ret_identity, pid_t *reterr_holder)
{
    struct identity identity = {.lock_fd = -1};
    enum result result = find_host_id(identity.host_id);

    if (result == RESULT_OK)
        result = take_lock(instance, key_prefix, &identity.lock_fd, reterr_holder);
    if (result != RESULT_OK)
        return result;
    snprintf(identity.owner, sizeof identity.owner, "%s@%s", instance, identity.host_id);
    *ret_identity = identity;
    return RESULT_OK;
}

bool identity_answer(const struct identity *identity)
{
    for (int i = 0; i < IDENTITY_ASKERS_MAX; i++) {
        int fd = accept4(identity->lock_fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0)
            return errno == EAGAIN || errno == ECONNABORTED;
        close(fd);
    }
    return true;
}

void identity_done(struct identity *identity)
{
    if (identity->lock_fd >= 0)
        close(identity->lock_fd);
    identity->lock_fd = -1;
}
