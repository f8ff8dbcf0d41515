/* options.c - the words of a command. */
#include "ctl/options.h"

#include "base/clock.h"
#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define COMMON_COUNT        6
#define DURATION_MAX_DIGITS 6

static void common_options(struct ctl *ctl, struct option_spec target[COMMON_COUNT])
{
    const struct option_spec specs[COMMON_COUNT] = {
        {"--config", "FILE", OPTION_TEXT, &ctl->config_path, 0, 0,
         "the daemon's configuration (" CTL_DEFAULT_CONFIG ")"},
        {"--redis", "URL", OPTION_TEXT, &ctl->redis_url, 0, 0,
         "redis://host:port/db or unix://path: prefix authlink, no password"},
        {"--json", NULL, OPTION_FLAG, &ctl->wants_json, 0, 0, "output for programs, JSON"},
        {"--reveal", NULL, OPTION_FLAG, &ctl->reveals, 0, 0, "show links; they are credentials"},
        {"--yes", NULL, OPTION_FLAG, &ctl->says_yes, 0, 0, "do not ask"},
        {"--help", NULL, OPTION_FLAG, &ctl->wants_help, 0, 0, "this text"},
    };

    memcpy(target, specs, sizeof specs);
}

static const struct option_spec *find(const struct option_spec *specs, size_t count,
                                      const char *name, size_t len)
{
    for (size_t i = 0; i < count; i++)
        if (strlen(specs[i].name) == len && memcmp(specs[i].name, name, len) == 0)
            return &specs[i];
    return NULL;
}

static bool read_duration(const char *text, int64_t *ret_ms)
{
    static const struct {
        char unit;
        int64_t ms;
    } units[] = {{'s', 1000}, {'m', 60000}, {'h', 3600000}, {'d', 86400000}};
    size_t len = strlen(text);
    int64_t number = 0;

    if (len < 2 || len - 1 > DURATION_MAX_DIGITS ||
        text_to_int64(text, len - 1, 1, INT64_MAX, &number) != RESULT_OK)
        return false;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (text[len - 1] == units[i].unit) {
            *ret_ms = number * units[i].ms;
            return true;
        }
    return false;
}

static enum result read_value(const struct ctl *ctl, const struct option_spec *spec,
                              const char *value)
{
    switch (spec->kind) {
    case OPTION_FLAG:
        *(bool *)spec->target = true;
        return RESULT_OK;
    case OPTION_TEXT:
        *(const char **)spec->target = value;
        return RESULT_OK;
    case OPTION_NUMBER:
        if (text_to_int64(value, strlen(value), spec->min, spec->max, spec->target) == RESULT_OK)
            return RESULT_OK;
        ctl_misused(ctl, "%s wants a whole number from %" PRId64 " to %" PRId64, spec->name,
                    spec->min, spec->max);
        return RESULT_INVALID;
    case OPTION_DURATION:
        if (read_duration(value, spec->target))
            return RESULT_OK;
        ctl_misused(ctl, "%s wants a time such as 30s, 10m, 2h or 1d", spec->name);
        return RESULT_INVALID;
    }
    return RESULT_INVALID;
}

/* The option at argv[*at], with its value; *at is moved behind it. */
static enum result read_option(const struct ctl *ctl, const struct option_spec *specs, size_t count,
                               int argc, char **argv, int *at)
{
    const char *word = argv[*at];
    const char *equals = strchr(word, '=');
    size_t len = equals == NULL ? strlen(word) : (size_t)(equals - word);
    const struct option_spec *spec = find(specs, count, word, len);

    if (strcmp(word, "-h") == 0 || strcmp(word, "-c") == 0)
        spec = find(specs, count, word[1] == 'h' ? "--help" : "--config", word[1] == 'h' ? 6 : 8);
    if (spec == NULL) {
        ctl_misused(ctl, "there is no option %s", word);
        return RESULT_INVALID;
    }
    ++*at;
    if (spec->kind == OPTION_FLAG) {
        if (equals == NULL)
            return read_value(ctl, spec, NULL);
        ctl_misused(ctl, "%s takes no value", spec->name);
        return RESULT_INVALID;
    }
    if (equals != NULL)
        return read_value(ctl, spec, equals + 1);
    if (*at == argc) {
        ctl_misused(ctl, "%s wants a value: %s", spec->name, spec->value_name);
        return RESULT_INVALID;
    }
    return read_value(ctl, spec, argv[(*at)++]);
}

static bool is_option(const char *word)
{
    return word[0] == '-' && word[1] != '\0';
}

enum result options_read_leading(struct ctl *ctl, int argc, char **argv, int *ret_count)
{
    struct option_spec specs[COMMON_COUNT];
    int at = 0;

    common_options(ctl, specs);
    while (at < argc && is_option(argv[at])) {
        enum result result = read_option(ctl, specs, COMMON_COUNT, argc, argv, &at);
        if (result != RESULT_OK)
            return result;
    }
    *ret_count = at;
    return RESULT_OK;
}

static void print_options(FILE *file, const struct option_spec *specs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char name[64];
        snprintf(name, sizeof name, "%s%s%s", specs[i].name, specs[i].value_name != NULL ? " " : "",
                 specs[i].value_name != NULL ? specs[i].value_name : "");
        fprintf(file, "  %-24s %s\n", name, specs[i].help);
    }
}

void options_print_common(struct ctl *ctl)
{
    struct option_spec specs[COMMON_COUNT];

    common_options(ctl, specs);
    print_options(stdout, specs, COMMON_COUNT);
}

static void print_help(struct ctl *ctl, const struct command_help *help)
{
    printf("Usage: authlinkctl %s [options]%s%s\n\n%s\n", ctl->command,
           help->words[0] != '\0' ? " " : "", help->words, help->summary);
    print_options(stdout, help->options, help->option_count);
    options_print_common(ctl);
}

enum result options_read(struct ctl *ctl, const struct command_help *help, int argc, char **argv,
                         int *ret_count)
{
    struct option_spec specs[32];
    size_t count = help->option_count;
    bool is_ended = false;
    int words = 0;

    if (count > 0)
        memcpy(specs, help->options, count * sizeof specs[0]);
    common_options(ctl, specs + count);
    for (int at = 0; at < argc;) {
        if (!is_ended && strcmp(argv[at], "--") == 0) {
            is_ended = true;
            at++;
        } else if (!is_ended && is_option(argv[at])) {
            enum result result = read_option(ctl, specs, count + COMMON_COUNT, argc, argv, &at);
            if (result != RESULT_OK)
                return result;
        } else {
            argv[words++] = argv[at++];
        }
    }
    if (ctl->wants_help) {
        print_help(ctl, help);
        return RESULT_EMPTY;
    }
    if (words < help->min_words || (help->max_words >= 0 && words > help->max_words)) {
        ctl_misused(ctl, "usage: authlinkctl %s [options]%s%s", ctl->command,
                    help->words[0] != '\0' ? " " : "", help->words);
        return RESULT_INVALID;
    }
    *ret_count = words;
    return RESULT_OK;
}

enum ctl_exit options_exit(enum result result)
{
    return result == RESULT_EMPTY ? CTL_EXIT_OK : CTL_EXIT_USAGE;
}
