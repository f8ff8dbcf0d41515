/*
 * parse.h - from the text of a configuration file to settings, by the table.
 */
#ifndef AUTHLINKD_CONFIG_PARSE_H
#define AUTHLINKD_CONFIG_PARSE_H

#include "base/buffer.h"
#include "config/config.h"

/*
 * Puts what the text says over the defaults in `settings`, and completes what follows from
 * it: redis.address, redis.queue, log.level, log.format.
 *   RESULT_INVALID  a line in reterr_messages for each fault, as long as they fit; of a text that
 *                   libconfig cannot read, for the first one. `settings` is then of no use.
 */
MUST_CHECK enum result parse_settings(const char *path, const char *text, struct settings *settings,
                                      struct buffer *reterr_messages);

/* The second half alone, for settings that come from no file. `path` is for messages. */
MUST_CHECK enum result parse_complete(const char *path, struct settings *settings,
                                      struct buffer *reterr_messages);

/*
 * The daemon's own name, where the file gives none: the host's. RESULT_INVALID: that one is unfit.
 */
MUST_CHECK enum result parse_complete_instance(const char *path, struct settings *settings,
                                               struct buffer *reterr_messages);

#endif
