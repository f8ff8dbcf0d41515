/* config.c - what the configuration file says, checked, with the secrets. */
#include "config/config.h"

#include "base/text.h"
#include "config/parse.h"
#include "config/places.h"
#include "config/source.h"
#include "config/spec.h"

#include <string.h>

/* RFC 6750, section 2.1. */
#define BEARER_TOKEN_BYTES "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/="

/* The key goes into a header: other bytes would break out of it, or show in what is redacted. */
static const char *secret_key_fault(const char *key)
{
    if (text_starts_with(key, "pk_"))
        return "is a publishable key (pk_...): the secret key (sk_...) belongs here";
    if (key[strspn(key, BEARER_TOKEN_BYTES)] != '\0')
        return "has bytes that no key has: letters, digits and -._~+/= only";
    return NULL;
}

enum key_wish { KEY_UNWANTED, KEY_IF_THERE, KEY_REQUIRED };

static enum result load_secret_key(struct settings *settings, enum key_wish wish,
                                   struct buffer *messages)
{
    struct secret_places places = places_of_secret_key(settings);
    enum result result = wish == KEY_UNWANTED
                             ? RESULT_NOT_FOUND
                             : secret_load(&places, &settings->secret_key, messages);

    if (result == RESULT_NOT_FOUND && wish != KEY_REQUIRED)
        return RESULT_OK;
    if (result == RESULT_NOT_FOUND) {
        buffer_append_format(
            messages,
            "%s: no secret key is there: put it into a file that this setting names, "
            "the systemd credential %s, or the environment variable %s\n",
            places.setting, places.credential, places.env_variable);
        return RESULT_INVALID;
    }
    if (result != RESULT_OK)
        return result;

    const char *fault = secret_key_fault(secret_text(settings->secret_key));
    if (fault == NULL)
        return RESULT_OK;
    buffer_append_format(messages, "%s: %s %s\n", places.setting,
                         secret_source(settings->secret_key), fault);
    return RESULT_INVALID;
}

static enum result load_redis_password(struct settings *settings, struct buffer *messages)
{
    struct secret_places places = places_of_redis_password(settings);
    enum result result = secret_load(&places, &settings->redis_password, messages);

    return result == RESULT_NOT_FOUND ? RESULT_OK : result;
}

static enum result read_file(const char *path, struct settings *settings, struct buffer *messages)
{
    struct buffer text;

    buffer_init(&text, CONFIG_FILE_MAX_BYTES);
    enum result result = source_read(path, &text, messages);
    if (result == RESULT_OK)
        result = source_check(path, &text, messages);
    if (result == RESULT_OK)
        result = parse_settings(path, buffer_text(&text), settings, messages);
    buffer_done(&text);
    return result;
}

static enum result load(const char *path, enum key_wish wish, struct settings *ret_settings,
                        struct buffer *messages)
{
    struct settings settings;

    memset(&settings, 0, sizeof settings);
    spec_set_defaults(&settings);
    enum result result = read_file(path, &settings, messages);
    if (result == RESULT_OK) {
        enum result key = load_secret_key(&settings, wish, messages);
        enum result password = load_redis_password(&settings, messages);
        enum result instance =
            wish == KEY_UNWANTED ? RESULT_OK : parse_complete_instance(path, &settings, messages);
        result = key != RESULT_OK ? key : password != RESULT_OK ? password : instance;
    }
    if (result == RESULT_OK)
        *ret_settings = settings;
    else
        config_free(&settings);
    return result;
}

enum result config_load(const char *path, struct settings *ret_settings,
                        struct buffer *reterr_messages)
{
    return load(path, KEY_REQUIRED, ret_settings, reterr_messages);
}

enum result config_load_to_look(const char *path, struct settings *ret_settings,
                                struct buffer *reterr_messages)
{
    return load(path, KEY_IF_THERE, ret_settings, reterr_messages);
}

enum result config_load_for_ctl(const char *path, struct settings *ret_settings,
                                struct buffer *reterr_messages)
{
    return load(path, KEY_UNWANTED, ret_settings, reterr_messages);
}

enum result config_for_redis(const char *redis_url, struct settings *ret_settings,
                             struct buffer *reterr_messages)
{
    struct settings settings;

    memset(&settings, 0, sizeof settings);
    spec_set_defaults(&settings);
    if (text_copy(settings.redis.url, sizeof settings.redis.url, redis_url, strlen(redis_url)) !=
        RESULT_OK) {
        buffer_append_str(reterr_messages, "--redis: redis.url: is too long\n");
        return RESULT_INVALID;
    }
    enum result result = parse_complete("--redis", &settings, reterr_messages);
    if (result == RESULT_OK)
        *ret_settings = settings;
    return result;
}

void config_free(struct settings *settings)
{
    settings->secret_key = secret_free(settings->secret_key);
    settings->redis_password = secret_free(settings->redis_password);
}

static void append_secret(const char *name, const struct secret *secret, struct buffer *text)
{
    if (secret == NULL)
        buffer_append_format(text, "// %s: unset\n", name);
    else
        buffer_append_format(text, "// %s: set (sha256:%s...), from %s\n", name,
                             secret_fingerprint(secret), secret_source(secret));
}

/* Length of the group's name; 0: the setting stands at the top. */
static size_t group_len(const char *name)
{
    const char *dot = strchr(name, '.');

    return dot == NULL ? 0 : (size_t)(dot - name);
}

enum result config_dump(const struct settings *settings, struct buffer *text)
{
    const char *group = "";

    append_secret("secret key", settings->secret_key, text);
    append_secret("Redis password", settings->redis_password, text);
    for (size_t i = 0; i < config_spec_count; i++) {
        const char *name = config_spec[i].name;
        size_t len = group_len(name);
        if (group_len(group) != len || memcmp(group, name, len) != 0) {
            buffer_append_str(text, group_len(group) > 0 ? "};\n" : "");
            if (len > 0)
                buffer_append_format(text, "%.*s = {\n", (int)len, name);
            group = name;
        }
        buffer_append_format(text, "%s%s = ", len > 0 ? "    " : "",
                             len > 0 ? name + len + 1 : name);
        spec_append_value(&config_spec[i], settings, text);
        buffer_append_str(text, ";\n");
    }
    buffer_append_str(text, group_len(group) > 0 ? "};\n" : "");
    return text->failed ? RESULT_NO_MEMORY : RESULT_OK;
}

enum result config_check_reload(const struct settings *running, struct settings *fresh,
                                struct buffer *reterr_messages)
{
    enum result result = RESULT_OK;

    for (size_t i = 0; i < config_spec_count; i++) {
        const struct setting_spec *spec = &config_spec[i];
        if (spec->reload == RELOADS || spec_is_equal(spec, running, fresh))
            continue;
        buffer_append_format(reterr_messages, "%s: takes effect at the next restart only\n",
                             spec->name);
        spec_copy_text(spec, running, fresh);
        result = RESULT_REFUSED;
    }
    fresh->redis.address = running->redis.address; /* made of what stays */
    return result;
}
