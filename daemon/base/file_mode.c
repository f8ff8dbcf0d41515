/* file_mode.c - may a file with this mode hold a secret? */
#include "base/file_mode.h"

#include <stddef.h>
#include <sys/stat.h>

const char *file_mode_fault(mode_t mode)
{
    if (!S_ISREG(mode))
        return "is no regular file";
    if ((mode & (S_IROTH | S_IWOTH)) != 0)
        return "may be read or written by everybody; mend it with: chmod 640";
    if ((mode & S_IWGRP) != 0)
        return "may be written by its group; mend it with: chmod 640";
    return NULL;
}
