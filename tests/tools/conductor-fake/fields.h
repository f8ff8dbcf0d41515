/*
 * fields.h - members of a struct that are set by name, from JSON or from text.
 *
 * One table describes them, so that the command line, the control endpoint and
 * the rules of faults refuse the same values in the same words.
 */
#ifndef CONDUCTOR_FAKE_FIELDS_H
#define CONDUCTOR_FAKE_FIELDS_H

#include "base/buffer.h"
#include "base/result.h"

#include <cjson/cJSON.h>
#include <stddef.h>

enum field_type {
    FIELD_FLAG,   /* bool */
    FIELD_INT,    /* int64_t */
    FIELD_REAL,   /* double */
    FIELD_TEXT,   /* char *, owned; NULL: not set */
    FIELD_CHOICE, /* int, index into choices */
};

struct field {
    const char *name; /* camelCase */
    enum field_type type;
    size_t offset;
    double min;
    double max;
    const char *const *choices; /* ends with NULL */
    const char *help;
};

/* The field of this name; NULL: none has it. */
const struct field *field_find(const struct field *fields, size_t count, const char *name);

/*
 * Set one member. RESULT_INVALID: *reterr_reason got a sentence about the value;
 * RESULT_NO_MEMORY. A flag that is set from text is set to true.
 */
MUST_CHECK enum result field_set_json(const struct field *field, void *object, const cJSON *value,
                                      struct buffer *reterr_reason);
MUST_CHECK enum result field_set_text(const struct field *field, void *object, const char *text,
                                      struct buffer *reterr_reason);

/* The member's value, appended as JSON. */
void field_append_json(const struct field *field, const void *object, struct buffer *json);

/* Frees the texts. */
void fields_done(const struct field *fields, size_t count, void *object);

#endif
