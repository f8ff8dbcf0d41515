/* options.c - the command line of authlinkd. */
#include "app/options.h"

#include <stdbool.h>
#include <string.h>

const char options_usage[] =
    "Usage: authlinkd [--config FILE] [--check-config | --dump-config | --version | --help]\n"
    "\n"
    "Turns end-user IDs in a Redis list into Conductor login links in Redis hashes.\n"
    "Runs in the foreground; logs to standard error.\n"
    "\n"
    "  -c, --config FILE   configuration (" OPTIONS_DEFAULT_CONFIG ")\n"
    "  -t, --check-config  say what is wrong with it, and exit\n"
    "      --dump-config   print every setting as it is in force, secrets masked, and exit\n"
    "  -V, --version       versions of this program and of its libraries\n"
    "  -h, --help          this text\n"
    "\n"
    "Signals: TERM, INT end after running requests (a second one at once); HUP reads the\n"
    "configuration, the key and the password again; USR1 writes the state to the log.\n"
    "Exit status: 0 as asked, 1 failure, 2 usage, 78 configuration.\n";

static const struct {
    const char *word, *letter;
    enum options_action action;
} words[] = {
    {"--check-config", "-t", ACTION_CHECK_CONFIG},
    {"--dump-config", "", ACTION_DUMP_CONFIG},
    {"--version", "-V", ACTION_VERSION},
    {"--help", "-h", ACTION_HELP},
};

static enum result read_word(const char *word, struct options *options)
{
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcmp(word, words[i].word) != 0 && strcmp(word, words[i].letter) != 0)
            continue;
        options->action = words[i].action;
        return RESULT_OK;
    }
    return RESULT_INVALID;
}

enum result options_read(int argc, char **argv, struct options *ret_options,
                         const char **reterr_word)
{
    static const char with_value[] = "--config=";
    struct options options = {.action = ACTION_RUN, .config_path = OPTIONS_DEFAULT_CONFIG};

    for (int i = 1; i < argc; i++) {
        bool is_config = strcmp(argv[i], "--config") == 0 || strcmp(argv[i], "-c") == 0;
        if (is_config && i + 1 < argc) {
            options.config_path = argv[++i];
        } else if (strncmp(argv[i], with_value, sizeof with_value - 1) == 0) {
            options.config_path = argv[i] + sizeof with_value - 1;
        } else if (is_config || argv[i][0] == '\0' || read_word(argv[i], &options) != RESULT_OK) {
            *reterr_word = argv[i];
            return RESULT_INVALID;
        }
    }
    *ret_options = options;
    return RESULT_OK;
}
