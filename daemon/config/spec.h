/*
 * spec.h - the table of settings: everything that is known of each, in one row.
 *
 * Parsing, ranges, defaults, reload and --dump-config go by it; a test compares it
 * with conf/authlinkd.conf. A setting is added by a row and a member of struct settings.
 */
#ifndef AUTHLINKD_CONFIG_SPEC_H
#define AUTHLINKD_CONFIG_SPEC_H

#include "base/buffer.h"
#include "config/config.h"

#include <stdbool.h>
#include <stddef.h>

enum setting_type {
    SETTING_NUMBER, /* int64_t; a whole number in the file */
    SETTING_DOUBLE, /* double; a whole number will do */
    SETTING_TEXT,   /* char[size] */
    SETTING_HOSTS,  /* struct host_list; an array of texts */
};

enum setting_reload {
    RELOADS,       /* taken up at SIGHUP */
    NEEDS_RESTART, /* stays as it is until the next start */
};

struct setting_spec {
    const char *name; /* group.member, as people write it */
    enum setting_type type;
    size_t offset; /* in struct settings */
    size_t size;   /* of a text, its NUL included */
    double min;    /* of numbers; whole ones stay below 2^53, so a double holds them exactly */
    double max;
    double default_number;
    const char *default_text; /* of a text; of hosts: the one name, or "" */
    bool (*rule)(const char *text, struct buffer *reterr_why); /* of a text; NULL: none */
    enum setting_reload reload;
    const char *unit; /* of numbers */
};

/* In alphabetical order of their names, so that a group stands together. */
extern const struct setting_spec config_spec[];
extern const size_t config_spec_count;

/* The row of `group`.`member`, or of `member` at the top when group is NULL; NULL if there is none.
 */
const struct setting_spec *spec_find(const char *group, const char *member);

/* True when settings of that group exist. */
bool spec_has_group(const char *group);

/* The row whose name ends in .`member`, for a setting that stands in the wrong place; NULL. */
const struct setting_spec *spec_find_member(const char *member);

int64_t *spec_number(const struct setting_spec *spec, struct settings *settings);
double *spec_double(const struct setting_spec *spec, struct settings *settings);
char *spec_text(const struct setting_spec *spec, struct settings *settings);
struct host_list *spec_hosts(const struct setting_spec *spec, struct settings *settings);

/* Such as "must be a whole number 15..10080 (minutes)". */
void spec_describe(const struct setting_spec *spec, struct buffer *text);

/* Puts every default in place. */
void spec_set_defaults(struct settings *settings);

/* Appends the value as the file would have it. */
void spec_append_value(const struct setting_spec *spec, const struct settings *settings,
                       struct buffer *text);

bool spec_is_equal(const struct setting_spec *spec, const struct settings *a,
                   const struct settings *b);

/* Of a text only. */
void spec_copy_text(const struct setting_spec *spec, const struct settings *from,
                    struct settings *to);

#endif
