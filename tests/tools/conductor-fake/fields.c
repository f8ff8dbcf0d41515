/* fields.c - members of a struct that are set by name. */
#include "fields.h"

#include "base/text.h"

#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

const struct field *field_find(const struct field *fields, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(fields[i].name, name) == 0)
            return &fields[i];
    return NULL;
}

static void *member(const struct field *field, void *object)
{
    return (char *)object + field->offset;
}

static const void *const_member(const struct field *field, const void *object)
{
    return (const char *)object + field->offset;
}

static enum result set_number(const struct field *field, void *object, double number,
                              struct buffer *reterr_reason)
{
    bool wants_int = field->type == FIELD_INT;

    if (!isfinite(number) || number < field->min || number > field->max ||
        (wants_int && number != floor(number))) {
        buffer_append_format(reterr_reason, "%s: must be %s from %.10g to %.10g", field->name,
                             wants_int ? "a whole number" : "a number", field->min, field->max);
        return RESULT_INVALID;
    }
    if (wants_int)
        *(int64_t *)member(field, object) = (int64_t)number;
    else
        *(double *)member(field, object) = number;
    return RESULT_OK;
}

static enum result set_choice(const struct field *field, void *object, const char *text,
                              struct buffer *reterr_reason)
{
    for (int i = 0; field->choices[i] != NULL; i++) {
        if (strcmp(field->choices[i], text) == 0) {
            *(int *)member(field, object) = i;
            return RESULT_OK;
        }
    }
    buffer_append_format(reterr_reason, "%s: must be one of", field->name);
    for (int i = 0; field->choices[i] != NULL; i++)
        buffer_append_format(reterr_reason, " %s", field->choices[i]);
    return RESULT_INVALID;
}

static enum result set_text(const struct field *field, void *object, const char *text)
{
    char **target = member(field, object);
    char *copy = NULL;

    if (text != NULL && (copy = strdup(text)) == NULL)
        return RESULT_NO_MEMORY;
    free(*target);
    *target = copy;
    return RESULT_OK;
}

static enum result refuse_type(const struct field *field, struct buffer *reterr_reason)
{
    static const char *const types[] = {
        [FIELD_FLAG] = "true or false", [FIELD_INT] = "a number",    [FIELD_REAL] = "a number",
        [FIELD_TEXT] = "a string",      [FIELD_CHOICE] = "a string",
    };

    buffer_append_format(reterr_reason, "%s: must be %s", field->name, types[field->type]);
    return RESULT_INVALID;
}

enum result field_set_json(const struct field *field, void *object, const cJSON *value,
                           struct buffer *reterr_reason)
{
    switch (field->type) {
    case FIELD_FLAG:
        if (!cJSON_IsBool(value))
            break;
        *(bool *)member(field, object) = cJSON_IsTrue(value);
        return RESULT_OK;
    case FIELD_INT:
    case FIELD_REAL:
        if (!cJSON_IsNumber(value))
            break;
        return set_number(field, object, value->valuedouble, reterr_reason);
    case FIELD_TEXT:
        if (!cJSON_IsString(value) && !cJSON_IsNull(value))
            break;
        return set_text(field, object, value->valuestring);
    case FIELD_CHOICE:
        if (!cJSON_IsString(value))
            break;
        return set_choice(field, object, value->valuestring, reterr_reason);
    }
    return refuse_type(field, reterr_reason);
}

enum result field_set_text(const struct field *field, void *object, const char *text,
                           struct buffer *reterr_reason)
{
    char *end = NULL;
    double number = 0;

    switch (field->type) {
    case FIELD_FLAG:
        *(bool *)member(field, object) = true;
        return RESULT_OK;
    case FIELD_INT:
    case FIELD_REAL:
        number = strtod(text, &end);
        if (end == text || *end != '\0')
            break;
        return set_number(field, object, number, reterr_reason);
    case FIELD_TEXT:
        return set_text(field, object, text);
    case FIELD_CHOICE:
        return set_choice(field, object, text, reterr_reason);
    }
    return refuse_type(field, reterr_reason);
}

void field_append_json(const struct field *field, const void *object, struct buffer *json)
{
    const void *value = const_member(field, object);
    const char *text = NULL;

    switch (field->type) {
    case FIELD_FLAG:
        buffer_append_str(json, *(const bool *)value ? "true" : "false");
        return;
    case FIELD_INT:
        buffer_append_format(json, "%" PRId64, *(const int64_t *)value);
        return;
    case FIELD_REAL:
        buffer_append_format(json, "%.15g", *(const double *)value);
        return;
    case FIELD_TEXT:
        text = *(char *const *)value;
        break;
    case FIELD_CHOICE:
        text = field->choices[*(const int *)value];
        break;
    }
    if (text == NULL)
        buffer_append_str(json, "null");
    else
        buffer_append_json_string(json, text, strlen(text));
}

void fields_done(const struct field *fields, size_t count, void *object)
{
    for (size_t i = 0; i < count; i++) {
        if (fields[i].type != FIELD_TEXT)
            continue;
        char **text = member(&fields[i], object);
        free(*text);
        *text = NULL;
    }
}
