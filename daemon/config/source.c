/* source.c - the text of a configuration file, before libconfig sees it. */
#include "config/source.h"

#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static enum result read_all(int fd, const char *path, struct buffer *text, struct buffer *messages)
{
    char chunk[4096];

    for (;;) {
        ssize_t len = read(fd, chunk, sizeof chunk);
        if (len < 0 && errno == EINTR)
            continue;
        if (len < 0) {
            buffer_append_format(messages, "%s: cannot be read: %s\n", path, strerror(errno));
            return RESULT_INVALID;
        }
        if (len == 0)
            return RESULT_OK;
        enum result result = buffer_append(text, chunk, (size_t)len);
        if (result == RESULT_FULL) {
            buffer_append_format(messages, "%s: is over %zu bytes\n", path, text->max_len);
            return RESULT_INVALID;
        }
        if (result != RESULT_OK)
            return result;
    }
}

enum result source_read(const char *path, struct buffer *ret_text, struct buffer *reterr_messages)
{
    struct stat status;
    /* O_NONBLOCK: a pipe must not hold up a start, nor the loop at a reload; it is refused below.
     */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    enum result result = RESULT_INVALID;

    if (fd < 0 || fstat(fd, &status) != 0) {
        buffer_append_format(reterr_messages, "%s: cannot be opened: %s\n", path, strerror(errno));
    } else if (S_ISFIFO(status.st_mode)) {
        buffer_append_format(reterr_messages,
                             "%s: is a pipe, which can be read once: put it into a file\n", path);
    } else if ((status.st_mode & S_IWOTH) != 0 && S_ISREG(status.st_mode)) {
        /* Whoever can write here can send the secret key to a host of his own. */
        buffer_append_format(reterr_messages,
                             "%s: everybody may write to it; mend it with: chmod o-w %s\n", path,
                             path);
    } else {
        result = read_all(fd, path, ret_text, reterr_messages);
    }
    if (fd >= 0)
        close(fd);
    return result;
}

enum lexical_state { IN_TEXT, IN_STRING, IN_COMMENT, IN_LINE_COMMENT };

/* Where a reader of libconfig's language stands; see its scanner.l. */
struct scan {
    enum lexical_state state;
    size_t line;
    size_t opened_line; /* of the string or comment that is open */
};

/* Takes the byte at `at`, and the one behind it where both are one token. Returns the bytes taken.
 */
static size_t scan_step(struct scan *scan, const char *at)
{
    bool is_pair = true;

    switch (scan->state) {
    case IN_TEXT:
        is_pair = (at[0] == '/' && (at[1] == '*' || at[1] == '/'));
        if (is_pair)
            scan->state = at[1] == '*' ? IN_COMMENT : IN_LINE_COMMENT;
        else if (at[0] == '#')
            scan->state = IN_LINE_COMMENT;
        else if (at[0] == '"')
            scan->state = IN_STRING;
        if (scan->state != IN_TEXT)
            scan->opened_line = scan->line;
        break;
    case IN_STRING:
        is_pair = at[0] == '\\' && (at[1] == '\\' || at[1] == '"');
        if (at[0] == '"')
            scan->state = IN_TEXT;
        break;
    case IN_COMMENT:
        is_pair = at[0] == '*' && at[1] == '/';
        if (is_pair)
            scan->state = IN_TEXT;
        break;
    case IN_LINE_COMMENT:
        is_pair = false;
        if (at[0] == '\n')
            scan->state = IN_TEXT;
        break;
    }
    return is_pair ? 2 : 1;
}

/*
 * A whole number that may not fit into 32 bits: libconfig 1.5 cuts it off in silence, so that
 * 4294967326 would be 30. No setting needs so many digits.
 */
static bool begins_long_number(const char *text, const char *at)
{
    char before = at > text ? at[-1] : ' ';
    bool is_within_word = (before >= '0' && before <= '9') || (before >= 'a' && before <= 'z') ||
                          (before >= 'A' && before <= 'Z') || before == '_' || before == '.';

    return !is_within_word && strspn(at, "0123456789") > 9;
}

/* NULL: nothing is wrong with what begins at `at`. */
static const char *trap_at(const struct scan *scan, const char *text, const char *at)
{
    if (*at == '\0')
        return "has a NUL byte";
    if (scan->state != IN_TEXT)
        return NULL;
    if (text_starts_with(at, "@include"))
        return "has @include, which is not supported: put everything into one file";
    if (begins_long_number(text, at))
        return "has a number of more digits than any setting takes";
    return NULL;
}

enum result source_check(const char *path, const struct buffer *text,
                         struct buffer *reterr_messages)
{
    struct scan scan = {.state = IN_TEXT, .line = 1};
    const char *at = buffer_text(text);
    const char *end = at + text->len;

    while (at < end) {
        const char *what = trap_at(&scan, buffer_text(text), at);
        if (what != NULL) {
            buffer_append_format(reterr_messages, "%s:%zu: %s\n", path, scan.line, what);
            return RESULT_INVALID;
        }
        for (size_t taken = scan_step(&scan, at); taken > 0; taken--)
            scan.line += *at++ == '\n';
    }
    if (scan.state == IN_STRING || scan.state == IN_COMMENT) {
        buffer_append_format(reterr_messages, "%s:%zu: the %s that begins here does not end\n",
                             path, scan.opened_line, scan.state == IN_STRING ? "text" : "comment");
        return RESULT_INVALID;
    }
    return RESULT_OK;
}
