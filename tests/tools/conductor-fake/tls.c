/* tls.c - which certificate the fake shows. */
#include "tls.h"

#include <stddef.h>

const char *const certificate_names[] = {"good", "expired", "wrongname", "unknown", NULL};
