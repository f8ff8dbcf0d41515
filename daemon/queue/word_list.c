/* word_list.c - words of a command that has many. */
#include "queue/word_list.h"

#include <string.h>

#define NUMBER_SIZE 24 /* "-9223372036854775808" */

void word_list_init(struct word_list *list, size_t max_bytes)
{
    *list = (struct word_list){0};
    buffer_init(&list->bytes, max_bytes);
}

void word_list_done(struct word_list *list)
{
    word_list_reset(list);
    buffer_done(&list->bytes);
}

void word_list_reset(struct word_list *list)
{
    if (list->bytes.data != NULL)
        explicit_bzero(list->bytes.data, list->bytes.len);
    buffer_reset(&list->bytes);
    list->count = 0;
}

/* By hand, for it is done twice a word: by a format it took a sixteenth of all that the daemon
 * does. Returns the first digit; `end` is behind the last. */
static char *write_digits(char *end, uint64_t number)
{
    do {
        *--end = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    return end;
}

void word_list_add(struct word_list *list, const char *bytes, size_t len)
{
    char head[NUMBER_SIZE];
    char *end = head + sizeof head - 2;

    memcpy(end, "\r\n", 2);
    char *start = write_digits(end, len);
    *--start = '$';
    if (buffer_append(&list->bytes, start, (size_t)(end + 2 - start)) == RESULT_OK &&
        buffer_append(&list->bytes, bytes, len) == RESULT_OK &&
        buffer_append(&list->bytes, "\r\n", 2) == RESULT_OK)
        list->count++;
}

void word_list_add_text(struct word_list *list, const char *text)
{
    word_list_add(list, text, strlen(text));
}

void word_list_add_number(struct word_list *list, int64_t number)
{
    char text[NUMBER_SIZE];
    char *end = text + sizeof text;
    char *start = write_digits(end, number < 0 ? 0 - (uint64_t)number : (uint64_t)number);

    if (number < 0)
        *--start = '-';
    word_list_add(list, start, (size_t)(end - start));
}
