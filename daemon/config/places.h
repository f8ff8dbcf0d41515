/*
 * places.h - where each of the two secrets is looked for.
 */
#ifndef AUTHLINKD_CONFIG_PLACES_H
#define AUTHLINKD_CONFIG_PLACES_H

#include "config/config.h"
#include "config/secret.h"

/* Borrows from `settings`. */
struct secret_places places_of_secret_key(const struct settings *settings);
struct secret_places places_of_redis_password(const struct settings *settings);

#endif
