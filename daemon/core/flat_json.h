/*
 * flat_json.h - a scanner for JSON objects without nesting.
 *
 * The same language as in job_object.lua, which must change together with this. It is
 * stricter than cJSON and than Lua's cjson, and neither of them agrees with the other:
 * so both readers of jobs scan the object themselves.
 *
 * Sources  RFC 8259.
 */
#ifndef AUTHLINKD_CORE_FLAT_JSON_H
#define AUTHLINKD_CORE_FLAT_JSON_H

#include <stdbool.h>
#include <stddef.h>

/* No text of more bytes is scanned, so none has more within. */
#define FLAT_JSON_MAX_BYTES 4096

enum flat_json_type {
    FLAT_JSON_TEXT,   /* decoded; may hold any byte */
    FLAT_JSON_NUMBER, /* as it is written */
    FLAT_JSON_TRUE,
    FLAT_JSON_FALSE,
    FLAT_JSON_OTHER, /* null, or the first byte of an object or a list */
};

struct flat_json_value {
    enum flat_json_type type;
    size_t len; /* of a text or a number */
    char text[FLAT_JSON_MAX_BYTES + 1];
};

/* What is being scanned, and how far. */
struct flat_json {
    const char *text;
    size_t len; /* at most FLAT_JSON_MAX_BYTES */
    size_t at;
};

void flat_json_skip_blanks(struct flat_json *json);

/* The byte at hand; '\0' at the end, and for a NUL byte. */
char flat_json_peek(const struct flat_json *json);

/* Moves beyond `wanted` if it is at hand. */
bool flat_json_take(struct flat_json *json, char wanted);

/* A string in quotes. False: there is none, or it is malformed; `json` has not moved. */
bool flat_json_take_string(struct flat_json *json, struct flat_json_value *ret_value);

/* Any value. False as above. Of an object or a list nothing is taken. */
bool flat_json_take_value(struct flat_json *json, struct flat_json_value *ret_value);

#endif
