/*
 * scan.h - all keys of one kind. A key may come twice, and may be gone when it comes.
 */
#ifndef AUTHLINKD_CTL_SCAN_H
#define AUTHLINKD_CTL_SCAN_H

#include "ctl/dialog.h"

typedef enum result (*scan_on_key)(const char *key, size_t len, void *user);

/* Every key `<prefix>:<kind>:...`. Ends at the first result that is not RESULT_OK, and returns it;
 * an interruption ends it, too. */
MUST_CHECK enum result scan_keys(struct dialog *dialog, const char *kind, scan_on_key on_key,
                                 void *user);

#endif
