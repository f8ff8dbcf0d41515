/*
 * status_text.h - the picture of the fleet for people, and for programs.
 *
 * The JSON form is an interface: documented in authlinkctl(1), members are only ever added.
 */
#ifndef AUTHLINKD_CTL_STATUS_TEXT_H
#define AUTHLINKD_CTL_STATUS_TEXT_H

#include "ctl/status.h"
#include "ctl/terminal.h"

/* `where` is where Redis is. */
void status_append_text(struct buffer *text, const struct status *status, const char *where,
                        const struct terminal *terminal);

void status_append_json(struct buffer *text, const struct status *status);

#endif
