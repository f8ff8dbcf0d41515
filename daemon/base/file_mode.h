/*
 * file_mode.h - may a file with this mode hold a secret?
 */
#ifndef AUTHLINKD_BASE_FILE_MODE_H
#define AUTHLINKD_BASE_FILE_MODE_H

#include <sys/types.h>

/* NULL: yes. Else what people do about it, as the end of a sentence that begins with the file. */
const char *file_mode_fault(mode_t mode);

#endif
