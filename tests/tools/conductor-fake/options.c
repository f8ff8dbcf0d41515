/* options.c - the command line: one option for each setting, and those that may be repeated. */
#include "options.h"

#include <ctype.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#define NAME_MAX_LEN 63
#define OPTIONS_MAX  64

enum repeated { OPTION_KEY = 1000, OPTION_END_USER, OPTION_FAULT, OPTION_HELP, OPTION_VERSION };

static const struct option repeated[] = {
    {"key", required_argument, NULL, OPTION_KEY},
    {"end-user", required_argument, NULL, OPTION_END_USER},
    {"fault", required_argument, NULL, OPTION_FAULT},
    {"help", no_argument, NULL, OPTION_HELP},
    {"version", no_argument, NULL, OPTION_VERSION},
};

#define REPEATED_COUNT (sizeof repeated / sizeof repeated[0])

/* latencyMs becomes latency-ms. */
static void option_name(const char *setting, char target[NAME_MAX_LEN + 1])
{
    size_t len = 0;

    for (; *setting != '\0' && len + 2 < NAME_MAX_LEN; setting++) {
        if (isupper((unsigned char)*setting))
            target[len++] = '-';
        target[len++] = (char)tolower((unsigned char)*setting);
    }
    target[len] = '\0';
}

static void print_field(const struct field *field, const char *name, const char *value)
{
    printf("  %s%s\n        %s", name, value, field->help);
    for (int i = 0; field->choices != NULL && field->choices[i] != NULL; i++)
        printf("%s%s", i == 0 ? ": " : ", ", field->choices[i]);
    putchar('\n');
}

static void print_help(void)
{
    char name[NAME_MAX_LEN + 3] = "--";

    puts("Usage: conductor-fake [OPTION ...]\n\n"
         "Answers as the Conductor API does, on 127.0.0.1, and fails on demand. Prints\n"
         "`listening on 127.0.0.1:PORT` when it is ready. /_fake/ on the same port scripts it and\n"
         "tells what came; each setting below may also be changed there, by its camelCase name.\n");
    for (size_t i = 0; i < settings_field_count; i++) {
        option_name(settings_fields[i].name, name + 2);
        print_field(&settings_fields[i], name, settings_fields[i].type == FIELD_FLAG ? "" : " X");
    }
    puts(
        "  --key SECRET:PUBLISHABLE\n"
        "        a secret key and its project; may be repeated "
        "(sk_conductor_fake:pk_conductor_fake)\n"
        "  --end-user ID\n        an end user that exists; may be repeated\n"
        "  --fault JSON\n        a rule of what goes wrong, as for /_fake/faults; may be repeated\n"
        "  --help, --version\n\n"
        "A rule is a JSON object; the first one whose conditions are met decides. Its members:\n");
    for (size_t i = 0; i < fault_field_count; i++)
        print_field(&fault_fields[i], fault_fields[i].name, "");
    puts("  headers\n        object: a string sets a header, null leaves one out\n"
         "  set\n        object: members of the answer that are replaced\n"
         "  unset\n        array: members of the answer that are left out");
}

static enum result add_key(struct fake *fake, const char *text, struct buffer *reterr_reason)
{
    const char *colon = strchr(text, ':');
    char *secret = colon == NULL ? NULL : strndup(text, (size_t)(colon - text));
    enum result result = secret == NULL ? RESULT_INVALID : keys_add(&fake->keys, secret, colon + 1);

    free(secret);
    if (result != RESULT_OK)
        buffer_append_str(reterr_reason, "--key: must be sk_...:pk_..., each once");
    return result;
}

static enum result add_end_user(struct fake *fake, const char *id, struct buffer *reterr_reason)
{
    struct user *user = users_touch(&fake->users, id, strlen(id));

    if (user == NULL) {
        buffer_append_str(reterr_reason, "--end-user: not an end-user ID");
        return RESULT_INVALID;
    }
    user->is_known = true;
    return RESULT_OK;
}

static enum result add_fault(struct fake *fake, const char *text, struct buffer *reterr_reason)
{
    cJSON *rules = cJSON_ParseWithOpts(text, NULL, true);
    enum result result = RESULT_INVALID;

    if (rules == NULL)
        buffer_append_str(reterr_reason, "--fault: not JSON");
    else
        result = faults_add(&fake->faults, rules, reterr_reason);
    cJSON_Delete(rules);
    return result;
}

static enum result take_option(struct fake *fake, int option, const char *argument,
                               struct buffer *reterr_reason)
{
    switch (option) {
    case OPTION_KEY:
        return add_key(fake, argument, reterr_reason);
    case OPTION_END_USER:
        return add_end_user(fake, argument, reterr_reason);
    case OPTION_FAULT:
        return add_fault(fake, argument, reterr_reason);
    case OPTION_HELP:
        print_help();
        return RESULT_EMPTY;
    case OPTION_VERSION:
        puts("conductor-fake " AUTHLINKD_VERSION);
        return RESULT_EMPTY;
    default:
        return field_set_text(&settings_fields[option], &fake->settings, argument, reterr_reason);
    }
}

/* A row for each setting, whose value is its place in the table. */
static void make_table(struct option *options, char (*names)[NAME_MAX_LEN + 1])
{
    for (size_t i = 0; i < settings_field_count; i++) {
        option_name(settings_fields[i].name, names[i]);
        options[i] = (struct option){
            .name = names[i],
            .has_arg = settings_fields[i].type == FIELD_FLAG ? no_argument : required_argument,
            .val = (int)i,
        };
    }
    memcpy(options + settings_field_count, repeated, sizeof repeated);
}

enum result options_read(struct fake *fake, int argc, char **argv, struct buffer *reterr_reason)
{
    struct option options[OPTIONS_MAX] = {0};
    char names[OPTIONS_MAX][NAME_MAX_LEN + 1];
    enum result result = RESULT_OK;
    int option = 0;

    if (settings_field_count + REPEATED_COUNT >= OPTIONS_MAX)
        return RESULT_FULL;
    make_table(options, names);
    optind = 0; /* it may be read again, at a reset */
    opterr = 0;
    while (result == RESULT_OK && (option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == '?') {
            buffer_append_format(reterr_reason, "unknown or incomplete option %s",
                                 argv[optind > 0 ? optind - 1 : 0]);
            return RESULT_INVALID;
        }
        result = take_option(fake, option, optarg, reterr_reason);
    }
    if (result == RESULT_OK && optind < argc) {
        buffer_append_format(reterr_reason, "%s: takes no such argument", argv[optind]);
        return RESULT_INVALID;
    }
    if (result == RESULT_OK && fake->keys.count == 0)
        result = keys_add(&fake->keys, "sk_conductor_fake", "pk_conductor_fake");
    return result;
}
