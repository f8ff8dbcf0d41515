/*
 * support_config.h - a configuration file of a test's own.
 */
#ifndef AUTHLINKD_TESTS_SUPPORT_CONFIG_H
#define AUTHLINKD_TESTS_SUPPORT_CONFIG_H

#include "base/buffer.h"
#include "config/config.h"

#include <stddef.h>

/* One line, and all that must be there. */
#define MINIMAL "conductor = { publishable_key = \"pk_x\"; };\n"

#define ROWS(table) (int)(sizeof(table) / sizeof(table)[0])

extern char config_folder[64];
extern char config_path[128];
extern char config_password_path[128]; /* for a test that wants a second file */
extern struct buffer config_messages;

/* Unchecked fixture, so that the folder goes also after a failure; a secret key is in the
 * environment. */
void config_set_up(void);
void config_tear_down(void);

void config_write_bytes(const char *text, size_t len);

/* Writes the file and loads it; the messages are afresh. */
enum result config_load_text(const char *text, struct settings *settings);

/* MINIMAL and, from line 2 on, `text`. */
enum result config_load_more(const char *text, struct settings *settings);

#endif
