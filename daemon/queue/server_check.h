/*
 * server_check.h - is this Redis fit to keep jobs and links? Warnings that say what is at risk.
 *
 * Sources  design.md section 2 (versions), reliability.md D1 (what is lost without what).
 */
#ifndef AUTHLINKD_QUEUE_SERVER_CHECK_H
#define AUTHLINKD_QUEUE_SERVER_CHECK_H

#include <stdbool.h>
#include <stddef.h>

/* Looks at the text that INFO answers; writes to the log. Returns how many warnings that were. */
int server_check_info(const char *info, size_t len);

#endif
