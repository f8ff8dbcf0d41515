/* redact.c - makes a sentence of somebody else's fit for logs, status and Redis. */
#include "conductor/redact.h"

#include "base/text.h"

#include <stdbool.h>
#include <string.h>

/* What a credential begins with, and what is shown for it. */
static const struct {
    const char *start;
    const char *shown;
    bool is_link;         /* ends at a blank or quote; else at the first byte that no key has */
    bool is_within_words; /* counts in the middle of a word too */
} credentials[] = {
    {"auth_sess_client_secret_", "[secret]", false, true},
    {"https://", "[link]", true, true},
    {"http://", "[link]", true, true},
    {"sk_conductor_", "[key]", false, true},
    {"sk_live_", "[key]", false, true},
    {"sk_test_", "[key]", false, true},
    {"sk_", "[key]", false, false}, /* not within words: "task_queue" is none */
    {"bearer ", "[key]", false, false},
    {"eyJ", "[token]", false, false}, /* the start of every JSON web token */
};

#define CREDENTIAL_COUNT (sizeof credentials / sizeof credentials[0])

static bool is_word_char(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* Bytes over 0x7f are counted in: a mask may be of bullets. */
static bool is_key_char(char c)
{
    return is_word_char(c) || (unsigned char)c > 0x7f || (c != '\0' && strchr("_-.*+/=~", c));
}

static bool is_link_char(char c)
{
    return (unsigned char)c > 0x20 && strchr("\"'<>`", c) == NULL;
}

static bool begins(const char *text, size_t len, size_t at, const char *start)
{
    if ((text[at] | 0x20) != (start[0] | 0x20)) /* most are told by that */
        return false;

    size_t start_len = strlen(start);
    return len - at >= start_len &&
           text_equals_ignoring_case(text + at, start_len, start, start_len);
}

/* Length of the credential that begins at `at`, 0: none does; *ret_shown stands for it. */
static size_t credential_len(const char *text, size_t len, size_t at, const char **ret_shown)
{
    for (size_t i = 0; i < CREDENTIAL_COUNT; i++) {
        size_t start_len = strlen(credentials[i].start);
        if (!begins(text, len, at, credentials[i].start))
            continue;
        if (!credentials[i].is_within_words && at > 0 && is_word_char(text[at - 1]))
            continue;

        size_t end = at + start_len;
        while (end < len &&
               (credentials[i].is_link ? is_link_char(text[end]) : is_key_char(text[end])))
            end++;
        *ret_shown = credentials[i].shown;
        return end - at;
    }
    return 0;
}

/* A byte as it is shown, '\0': not at all (the rest of a character that one '?' stands for). */
static char shown_byte(char c)
{
    if (((unsigned char)c & 0xc0) == 0x80)
        return '\0';
    return text_is_printable(&c, 1) ? c : '?';
}

void redact_text(const char *text, size_t len, char *target, size_t size)
{
    size_t used = 0;
    size_t at = 0;

    while (at < len) {
        char byte[2] = {shown_byte(text[at]), '\0'};
        const char *shown = byte;
        size_t taken = credential_len(text, len, at, &shown);
        size_t shown_len = strlen(shown);

        if (used + shown_len >= size) {
            used = used < size - 4 ? used : size - 4;
            memcpy(target + used, "...", 3);
            used += 3;
            break;
        }
        memcpy(target + used, shown, shown_len);
        used += shown_len;
        at += taken > 0 ? taken : 1;
    }
    target[used] = '\0';
}

/* A request ID is looked through for each job: only where a credential may begin. */
static bool may_begin(char c)
{
    switch (c | 0x20) {
    case 'a':
    case 'h':
    case 's':
        return true;
    default:
        return false;
    }
}

bool redact_finds_in_word(const char *word, size_t len)
{
    for (size_t at = 0; at < len; at++) {
        if (!may_begin(word[at]))
            continue;
        for (size_t i = 0; i < CREDENTIAL_COUNT; i++)
            if (credentials[i].is_within_words && begins(word, len, at, credentials[i].start))
                return true;
    }
    return false;
}
