/*
 * stream.h - the entries of a stream, read some at a time.
 */
#ifndef AUTHLINKD_CTL_STREAM_H
#define AUTHLINKD_CTL_STREAM_H

#include "ctl/dialog.h"
#include "ctl/json.h"

#define STREAM_ID_SIZE 48

/* `flat` is name, value, ...; lent. A result that is not RESULT_OK ends the reading. */
typedef enum result (*stream_on_entry)(const char *id, const redisReply *flat, void *user);

/*
 * All entries from `from` ("-": the first) to the one that is the last now; an interruption
 * ends it with RESULT_LATER.
 */
MUST_CHECK enum result stream_read(struct dialog *dialog, const char *key, const char *from,
                                   stream_on_entry on_entry, void *user);

/* The ID of the last entry, "0-0" if there is none, into `target` of STREAM_ID_SIZE bytes. */
MUST_CHECK enum result stream_last_id(struct dialog *dialog, const char *key, char *target);

/* The entry as an object: `id`, then its fields, counts and times as numbers. */
void stream_entry_json(struct json *json, const char *id, const redisReply *flat);

/* `<Unix ms>-<number>` */
bool stream_id_is_sound(const char *id);

#endif
