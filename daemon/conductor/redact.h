/*
 * redact.h - makes a sentence of somebody else's fit for logs, status and Redis.
 */
#ifndef AUTHLINKD_CONDUCTOR_REDACT_H
#define AUTHLINKD_CONDUCTOR_REDACT_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Copies `text` into `target` of `size` bytes (at least 4), ended with NUL: printable ASCII
 * only, secret keys, client secrets, bearer tokens and links replaced by a word in brackets,
 * cut with "..." where it does not fit. Masked keys go too: the ends they show are hints.
 */
void redact_text(const char *text, size_t len, char *target, size_t size);

/*
 * True if a credential is anywhere in a word that is kept whole or not at all. What counts only
 * at the start of a word is not looked for: a random ID may begin like that by chance.
 */
bool redact_finds_in_word(const char *word, size_t len);

#endif
