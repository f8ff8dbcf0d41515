/* fields.c - hashes and stream entries as Redis answers them. */
#include "ctl/fields.h"

#include "base/text.h"
#include "queue/replies.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

const redisReply *field_of(const redisReply *flat, const char *name)
{
    if (!reply_is_array(flat))
        return NULL;
    for (size_t i = 0; i + 1 < flat->elements; i += 2)
        if (reply_is(flat->element[i], name))
            return flat->element[i + 1];
    return NULL;
}

const char *field_text(const redisReply *flat, const char *name)
{
    return reply_text(field_of(flat, name));
}

int64_t field_int(const redisReply *flat, const char *name, int64_t otherwise)
{
    const redisReply *value = field_of(flat, name);
    int64_t number = otherwise;

    if (text_to_int64(reply_text(value), reply_len(value), -REPLY_INT_MAX, REPLY_INT_MAX,
                      &number) != RESULT_OK)
        return otherwise;
    return number;
}

double field_double(const redisReply *flat, const char *name, double otherwise)
{
    const char *text = field_text(flat, name);
    char *end = NULL;
    double number = strtod(text, &end);

    return end == text ? otherwise : number;
}

void field_json_text(struct json *json, const redisReply *flat, const char *name)
{
    const redisReply *value = field_of(flat, name);

    if (value != NULL)
        json_text(json, name, reply_text(value), reply_len(value));
}

void field_json_int(struct json *json, const redisReply *flat, const char *name)
{
    const redisReply *value = field_of(flat, name);
    int64_t number;

    if (text_to_int64(reply_text(value), reply_len(value), INT64_MIN, INT64_MAX, &number) ==
        RESULT_OK)
        json_int(json, name, number);
    else
        field_json_text(json, flat, name);
}

static bool is_number(const char *name, const char *const *numbers)
{
    size_t len = strlen(name);

    if (len > 2 && strcmp(name + len - 2, "Ms") == 0)
        return true;
    for (size_t i = 0; numbers[i] != NULL; i++)
        if (strcmp(name, numbers[i]) == 0)
            return true;
    return false;
}

void fields_json(struct json *json, const redisReply *flat, const char *const *numbers)
{
    if (!reply_is_array(flat))
        return;
    for (size_t i = 0; i + 1 < flat->elements; i += 2) {
        const char *name = reply_text(flat->element[i]);
        if (is_number(name, numbers))
            field_json_int(json, flat, name);
        else
            field_json_text(json, flat, name);
    }
}
