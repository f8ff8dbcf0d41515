/*
 * ctl.h - authlinkctl: what the people who run it see and ask for.
 *
 * One file a command; a row of the table in ctl.c names it. A command reads its own words
 * (options.h), works on Redis by a dialog (dialog.h), and writes data to stdout and
 * everything else to stderr. Whatever came from outside is escaped (terminal.h).
 *
 *   ctl_main ── owns ──> struct ctl ── owns ──> settings, dialog
 */
#ifndef AUTHLINKD_CTL_CTL_H
#define AUTHLINKD_CTL_CTL_H

#include "config/config.h"
#include "ctl/dialog.h"
#include "ctl/terminal.h"

#include <stdbool.h>

enum ctl_exit {
    CTL_EXIT_OK = 0,
    CTL_EXIT_FAILED = 1,
    CTL_EXIT_USAGE = 2, /* also: a wrong configuration */
    CTL_EXIT_NOT_FOUND = 3,
    CTL_EXIT_UNREACHABLE = 4, /* Redis cannot be reached, or refuses us */
};

#define CTL_DEFAULT_CONFIG "/etc/authlinkd/authlinkd.conf"

struct ctl {
    const char *config_path; /* borrows from argv; NULL: not given */
    const char *redis_url;   /* the same */
    bool wants_json;
    bool wants_help;
    bool reveals; /* links are shown */
    bool says_yes;
    bool is_incomplete; /* a line was left out: exit status 1 */
    struct settings settings;
    bool has_settings;
    struct dialog *dialog; /* owns; NULL until ctl_connect() */
    struct terminal out, err;
    const char *command; /* its name, for messages */
};

/* A command: `argc` words after its name. */
typedef enum ctl_exit (*ctl_command)(struct ctl *ctl, int argc, char **argv);

int ctl_main(int argc, char **argv);

/* Reads the configuration. On failure it was told; return the exit status. */
MUST_CHECK enum ctl_exit ctl_configure(struct ctl *ctl);

/* The same, and connects. */
MUST_CHECK enum ctl_exit ctl_connect(struct ctl *ctl);

/* A call of the dialog failed: says why on stderr. Returns the exit status. */
enum ctl_exit ctl_explain(struct ctl *ctl, enum result result);

/* "authlinkctl: ..." on stderr, as a line. */
void ctl_complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * Prints a finished text as a line, and frees it. One that did not fit, because of what somebody
 * else wrote into Redis, is told and left out; the exit status is CTL_EXIT_FAILED then.
 */
void ctl_put_line(struct ctl *ctl, struct buffer *text);

/* Wrong words: says so, and where help is. Returns CTL_EXIT_USAGE. */
enum ctl_exit ctl_misused(const struct ctl *ctl, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * Whether a step that cannot be undone may be taken: --yes, or a person says so at a terminal.
 * `what` completes "About to ...".
 */
bool ctl_is_confirmed(const struct ctl *ctl, const char *what);

/* Writes the link, or its host only unless --reveal, into `target`. */
void ctl_show_link(const struct ctl *ctl, const char *link, size_t len, char *target, size_t size);

enum ctl_exit command_adopt(struct ctl *ctl, int argc, char **argv);
enum ctl_exit command_audit(struct ctl *ctl, int argc, char **argv);
enum ctl_exit command_dead(struct ctl *ctl, int argc, char **argv);
enum ctl_exit command_doctor(struct ctl *ctl, int argc, char **argv);
enum ctl_exit command_enqueue(struct ctl *ctl, int argc, char **argv);
enum ctl_exit command_events(struct ctl *ctl, int argc, char **argv);
enum ctl_exit command_export(struct ctl *ctl, int argc, char **argv);
enum ctl_exit command_pause(struct ctl *ctl, int argc, char **argv);
enum ctl_exit command_resume(struct ctl *ctl, int argc, char **argv);
enum ctl_exit command_show(struct ctl *ctl, int argc, char **argv);
enum ctl_exit command_status(struct ctl *ctl, int argc, char **argv);

#endif
