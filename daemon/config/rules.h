/*
 * rules.h - what a text of the configuration must be, beyond being one.
 *
 * Each rule tells whether `text` is fine; if not, what is wrong goes to
 * `reterr_why`, as the end of a sentence that begins with the setting's name. A text
 * is never repeated there: it may hold a password or a key by mistake.
 */
#ifndef AUTHLINKD_CONFIG_RULES_H
#define AUTHLINKD_CONFIG_RULES_H

#include "base/buffer.h"
#include "base/log.h"

#include <stdbool.h>

bool rule_base_url(const char *text, struct buffer *reterr_why);
bool rule_instance(const char *text, struct buffer *reterr_why);
bool rule_key_prefix(const char *text, struct buffer *reterr_why);
bool rule_log_format(const char *text, struct buffer *reterr_why);
bool rule_log_level(const char *text, struct buffer *reterr_why);
bool rule_metrics_listen(const char *text, struct buffer *reterr_why);
bool rule_path(const char *text, struct buffer *reterr_why);
bool rule_private_path(const char *text, struct buffer *reterr_why);
bool rule_publishable_key(const char *text, struct buffer *reterr_why);
bool rule_queue(const char *text, struct buffer *reterr_why);
bool rule_readable_path(const char *text, struct buffer *reterr_why);
bool rule_redirect_url(const char *text, struct buffer *reterr_why);
bool rule_redis_url(const char *text, struct buffer *reterr_why);

/* What a name that the rules took stands for. */
enum log_level rule_log_level_of(const char *name);
enum log_format rule_log_format_of(const char *name);

/*
 * The hash tag that Redis Cluster would go by: between the first brace and the next
 * closing one, if there is something between. Points into `key`; NULL: none.
 * Source: Redis Cluster specification, "Hash tags".
 */
const char *rule_hash_tag(const char *key, size_t *ret_len);

#endif
