/* places.c - where each of the two secrets is looked for. */
#include "config/places.h"

struct secret_places places_of_secret_key(const struct settings *settings)
{
    return (struct secret_places){
        .setting = "conductor.secret_key_file",
        .file = settings->conductor.secret_key_file,
        .credential = "conductor-secret-key",
        .env_variable = "CONDUCTOR_SECRET_KEY",
        .max_len = SECRET_MAX_LEN,
    };
}

struct secret_places places_of_redis_password(const struct settings *settings)
{
    return (struct secret_places){
        .setting = "redis.password_file",
        .file = settings->redis.password_file,
        .credential = "redis-password",
        .env_variable = NULL,
        .max_len = LINK_PASSWORD_MAX_LEN,
    };
}
