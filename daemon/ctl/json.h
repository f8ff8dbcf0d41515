/*
 * json.h - writes JSON, member by member, in the order of the calls.
 *
 * `key` is NULL within an array and for the whole. What is no UTF-8 is written with \ufffd.
 */
#ifndef AUTHLINKD_CTL_JSON_H
#define AUTHLINKD_CTL_JSON_H

#include "base/buffer.h"

#include <stdbool.h>
#include <stdint.h>

struct json {
    struct buffer *text; /* borrows */
    bool needs_comma;
};

void json_open_object(struct json *json, const char *key);
void json_close_object(struct json *json);
void json_open_array(struct json *json, const char *key);
void json_close_array(struct json *json);
void json_text(struct json *json, const char *key, const char *text, size_t len);
void json_int(struct json *json, const char *key, int64_t number);
void json_double(struct json *json, const char *key, double number);
void json_bool(struct json *json, const char *key, bool is_true);
void json_null(struct json *json, const char *key);

#endif
