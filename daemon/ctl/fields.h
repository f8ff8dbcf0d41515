/*
 * fields.h - hashes and stream entries as Redis answers them: name, value, name, value ...
 */
#ifndef AUTHLINKD_CTL_FIELDS_H
#define AUTHLINKD_CTL_FIELDS_H

#include "ctl/json.h"

#include <hiredis/hiredis.h>
#include <stdint.h>

/* The value of `name`; NULL if there is none. Lent by `flat`, which may be NULL. */
const redisReply *field_of(const redisReply *flat, const char *name);

/* Its text, "" if there is none. */
const char *field_text(const redisReply *flat, const char *name);

/* A whole number within +-REPLY_INT_MAX, so that sums of some are safe, or `otherwise`. */
int64_t field_int(const redisReply *flat, const char *name, int64_t otherwise);

double field_double(const redisReply *flat, const char *name, double otherwise);

/* As a member of an object: a text, or a number where the text is one; nothing if it is absent. */
void field_json_text(struct json *json, const redisReply *flat, const char *name);
void field_json_int(struct json *json, const redisReply *flat, const char *name);

/* All fields: those whose name ends in Ms, and `numbers` (NULL-terminated), as numbers. */
void fields_json(struct json *json, const redisReply *flat, const char *const *numbers);

#endif
