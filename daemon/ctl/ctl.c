/* ctl.c - authlinkctl: the table of commands, and what they have in common. */
#include "ctl/ctl.h"

#include "base/text.h"
#include "core/host_list.h"
#include "ctl/options.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* clang-format off */
static const struct {
    const char *name;
    const char *summary;
    ctl_command run;
} commands[] = {
    {"enqueue", "ask for links: IDs, standard input or a CSV file",    command_enqueue},
    {"status",  "what waits, what runs, how fast, and what stops it",  command_status},
    {"show",    "the link of an end user",                             command_show},
    {"export",  "all links, as CSV or JSON lines",                     command_export},
    {"events",  "jobs that ended, as they end",                        command_events},
    {"dead",    "list, retry or remove the jobs that were given up",   command_dead},
    {"pause",   "stop sending",                                        command_pause},
    {"resume",  "end a pause, or the hold of a refused account",       command_resume},
    {"audit",   "prove that no job was lost",                          command_audit},
    {"doctor",  "look at Redis, rights, clock and network",            command_doctor},
    {"adopt",   "give the data in Redis to another project's key",     command_adopt},
};
/* clang-format on */

void ctl_complain(const char *format, ...)
{
    va_list args;

    fputs("authlinkctl: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}

enum ctl_exit ctl_misused(const struct ctl *ctl, const char *format, ...)
{
    char sentence[512];
    struct buffer shown;
    va_list args;

    va_start(args, format);
    vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    buffer_init(&shown, 4 * sizeof sentence);
    terminal_escape(&shown, sentence, strlen(sentence));
    ctl_complain("%s", buffer_text(&shown));
    buffer_done(&shown);
    fprintf(stderr, "Help: authlinkctl %s%s--help\n", ctl->command == NULL ? "" : ctl->command,
            ctl->command == NULL ? "" : " ");
    return CTL_EXIT_USAGE;
}

enum ctl_exit ctl_configure(struct ctl *ctl)
{
    struct buffer messages;
    const char *path = ctl->config_path == NULL ? CTL_DEFAULT_CONFIG : ctl->config_path;

    if (ctl->redis_url != NULL && ctl->config_path != NULL)
        return ctl_misused(ctl, "--config and --redis exclude each other");
    buffer_init(&messages, CONFIG_MESSAGES_MAX_BYTES);
    enum result result = ctl->redis_url != NULL
                             ? config_for_redis(ctl->redis_url, &ctl->settings, &messages)
                             : config_load_for_ctl(path, &ctl->settings, &messages);
    ctl->has_settings = result == RESULT_OK;
    if (result != RESULT_OK)
        ctl_complain("the configuration cannot be used:\n%s%s", buffer_text(&messages),
                     ctl->redis_url == NULL && ctl->config_path == NULL
                         ? "What to do: give --config FILE, or --redis URL"
                         : "");
    buffer_done(&messages);
    return result == RESULT_OK ? CTL_EXIT_OK : CTL_EXIT_USAGE;
}

enum ctl_exit ctl_connect(struct ctl *ctl)
{
    enum ctl_exit status = ctl->has_settings ? CTL_EXIT_OK : ctl_configure(ctl);

    if (status != CTL_EXIT_OK)
        return status;
    enum result result = dialog_open(&ctl->settings, &ctl->dialog);
    return result == RESULT_OK ? CTL_EXIT_OK : ctl_explain(ctl, result);
}

enum ctl_exit ctl_explain(struct ctl *ctl, enum result result)
{
    bool is_told = ctl->dialog != NULL && dialog_why(ctl->dialog)[0] != '\0';

    ctl_complain("%s", is_told ? dialog_why(ctl->dialog) : result_text(result));
    return result == RESULT_DISCONNECTED || result == RESULT_REFUSED ? CTL_EXIT_UNREACHABLE
                                                                     : CTL_EXIT_FAILED;
}

void ctl_put_line(struct ctl *ctl, struct buffer *text)
{
    if (text->failed) {
        ctl_complain("a line is left out: a value in Redis is longer than any of authlinkd's");
        ctl->is_incomplete = true;
    } else {
        fwrite(buffer_text(text), 1, text->len, stdout); /* a cell of CSV may have a NUL */
        putchar('\n');
    }
    buffer_done(text);
}

bool ctl_is_confirmed(const struct ctl *ctl, const char *what)
{
    char answer[16] = "";

    if (ctl->says_yes)
        return true;
    if (!ctl->err.is_tty || isatty(STDIN_FILENO) != 1) {
        ctl_complain("about to %s: say --yes, for there is no terminal to ask at", what);
        return false;
    }
    fprintf(stderr, "About to %s. Go on? [y/N] ", what);
    if (fgets(answer, sizeof answer, stdin) == NULL)
        return false;
    return answer[0] == 'y' || answer[0] == 'Y';
}

void ctl_show_link(const struct ctl *ctl, const char *link, size_t len, char *target, size_t size)
{
    size_t host_len = 0;
    const char *host = https_url_host(link, len, &host_len);

    if (ctl->reveals && text_copy(target, size, link, len) != RESULT_OK)
        snprintf(target, size, "[longer than any link]");
    else if (ctl->reveals)
        return;
    else if (len == 0)
        text_copy(target, size, "", 0);
    else
        snprintf(target, size, "https://%.*s/[masked: --reveal]", host == NULL ? 0 : (int)host_len,
                 host == NULL ? "" : host);
}

static void print_help(struct ctl *ctl)
{
    puts("Usage: authlinkctl COMMAND [options] ...\n\nOperates authlinkd through its Redis. "
         "Data goes to standard output, the rest to\nstandard error.\n");
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        printf("  %-10s %s\n", commands[i].name, commands[i].summary);
    puts("\nOptions, of every command:\n");
    options_print_common(ctl);
    puts("  --version                its version\n\n"
         "`authlinkctl COMMAND --help` has more. Exit status: 0 done, 1 failed, 2 wrong words or\n"
         "configuration, 3 not found, 4 Redis cannot be reached or refuses.");
}

static enum ctl_exit run_command(struct ctl *ctl, int argc, char **argv)
{
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        if (strcmp(argv[0], commands[i].name) == 0) {
            ctl->command = commands[i].name;
            return commands[i].run(ctl, argc - 1, argv + 1);
        }
    return ctl_misused(ctl, "there is no command %s", argv[0]);
}

static enum ctl_exit run(struct ctl *ctl, int argc, char **argv)
{
    int leading = 0;

    if (argc > 0 && (strcmp(argv[0], "--version") == 0 || strcmp(argv[0], "-V") == 0)) {
        puts("authlinkctl " AUTHLINKD_VERSION);
        return CTL_EXIT_OK;
    }
    if (options_read_leading(ctl, argc, argv, &leading) != RESULT_OK)
        return CTL_EXIT_USAGE;
    bool is_help = leading < argc && strcmp(argv[leading], "help") == 0;
    if (is_help && leading + 1 < argc) /* help COMMAND is COMMAND --help */
        return run_command(ctl, 2, (char *[]){argv[leading + 1], (char[]){"--help"}, NULL});
    if (ctl->wants_help || is_help) {
        print_help(ctl);
        return CTL_EXIT_OK;
    }
    if (leading == argc)
        return ctl_misused(ctl, "which command?");
    return run_command(ctl, argc - leading, argv + leading);
}

int ctl_main(int argc, char **argv)
{
    struct ctl ctl = {.config_path = NULL};

    /* A reader that goes away shows as a failed write. */
    signal(SIGPIPE, SIG_IGN);
    log_configure(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    terminal_init(&ctl.out, stdout);
    terminal_init(&ctl.err, stderr);
    int status = (int)run(&ctl, argc > 0 ? argc - 1 : 0, argv + 1);
    dialog_close(ctl.dialog);
    if (ctl.has_settings)
        config_free(&ctl.settings);
    if ((fflush(stdout) != 0 || ferror(stdout) != 0) && status == CTL_EXIT_OK) {
        ctl_complain("standard output cannot be written: part of the data is missing");
        status = CTL_EXIT_FAILED;
    }
    return status == (int)CTL_EXIT_OK && ctl.is_incomplete ? (int)CTL_EXIT_FAILED : status;
}
