/* word_list.c - words of a command that has many. */
#include "queue/word_list.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CAP 64

void word_list_init(struct word_list *list, size_t max_bytes)
{
    *list = (struct word_list){0};
    buffer_init(&list->bytes, max_bytes);
}

void word_list_done(struct word_list *list)
{
    word_list_reset(list);
    buffer_done(&list->bytes);
    free(list->lens);
    list->lens = NULL;
    list->cap = 0;
}

void word_list_reset(struct word_list *list)
{
    if (list->bytes.data != NULL)
        explicit_bzero(list->bytes.data, list->bytes.len);
    buffer_reset(&list->bytes);
    list->count = 0;
}

static bool grow(struct word_list *list)
{
    size_t cap = list->cap == 0 ? FIRST_CAP : 2 * list->cap;
    size_t *longer = realloc(list->lens, cap * sizeof longer[0]);

    if (longer == NULL)
        return false;
    list->lens = longer;
    list->cap = cap;
    return true;
}

void word_list_add(struct word_list *list, const char *bytes, size_t len)
{
    if (list->count == list->cap && !grow(list)) {
        list->bytes.failed = true;
        return;
    }
    if (buffer_append(&list->bytes, bytes, len) == RESULT_OK)
        list->lens[list->count++] = len;
}

void word_list_add_text(struct word_list *list, const char *text)
{
    word_list_add(list, text, strlen(text));
}

void word_list_add_number(struct word_list *list, int64_t number)
{
    char text[24];

    if (number >= 0 && number < 10) { /* most are 0 */
        text[0] = (char)('0' + number);
        word_list_add(list, text, 1);
        return;
    }
    int len = snprintf(text, sizeof text, "%" PRId64, number);
    word_list_add(list, text, (size_t)len);
}
