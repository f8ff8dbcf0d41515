/* command_status.c - what waits, what runs, how fast, and what stops it. */
#include "ctl/ctl.h"
#include "ctl/options.h"
#include "ctl/status_text.h"

#include <stdio.h>
#include <string.h>

#define TEXT_MAX_BYTES (1024 * 1024)

/* Clears what stood there line by line, so that nothing flickers. */
static void redraw(const struct buffer *text)
{
    const char *line = buffer_text(text);

    fputs("\033[H", stdout);
    for (const char *end; (end = strchr(line, '\n')) != NULL; line = end + 1)
        printf("%.*s\033[K\n", (int)(end - line), line);
    printf("\033[K\n\033[2mctrl-c ends this\033[0m\033[K\033[J");
    fflush(stdout);
}

static enum result show(struct ctl *ctl, struct status_roster *roster, bool is_watch)
{
    struct status status;
    struct buffer text;

    enum result result = status_read(ctl->dialog, roster, &status);
    if (result != RESULT_OK)
        return result;
    buffer_init(&text, TEXT_MAX_BYTES);
    if (ctl->wants_json)
        status_append_json(&text, &status);
    else
        status_append_text(&text, &status, dialog_where(ctl->dialog), &ctl->out);
    if (ctl->wants_json)
        ctl_put_line(ctl, &text);
    else if (is_watch && ctl->out.is_tty)
        redraw(&text);
    else
        fputs(buffer_text(&text), stdout);
    fflush(stdout);
    buffer_done(&text);
    status_done(&status);
    return RESULT_OK;
}

#define LEAVE_SCREEN "\033[?25h\033[?1049l"

static enum result watch(struct ctl *ctl, struct status_roster *roster, int64_t interval_ms)
{
    enum result result = RESULT_OK;
    bool is_screen = ctl->out.is_tty && !ctl->wants_json;

    if (is_screen) {
        fputs("\033[?1049h\033[?25l", stdout); /* a screen of its own, no cursor */
        dialog_set_last_words(ctl->dialog, LEAVE_SCREEN);
    }
    while (result == RESULT_OK && !dialog_is_interrupted(ctl->dialog) && ferror(stdout) == 0) {
        result = show(ctl, roster, true);
        if (result == RESULT_OK)
            dialog_sleep(ctl->dialog, interval_ms);
    }
    if (is_screen)
        fputs(LEAVE_SCREEN, stdout);
    return result;
}

enum ctl_exit command_status(struct ctl *ctl, int argc, char **argv)
{
    bool is_watch = false;
    int64_t interval_ms = 1000;
    const struct option_spec options[] = {
        {"--watch", NULL, OPTION_FLAG, &is_watch, 0, 0, "show it again and again, as top does"},
        {"--every", "TIME", OPTION_DURATION, &interval_ms, 0, 0, "with --watch: how often (1s)"},
    };
    const struct command_help help = {
        .words = "",
        .summary =
            "Shows the backlog and how long it will take, the pace, holds and what to do about\n"
            "them, and every instance that spoke in the last 30 s.\n",
        .options = options,
        .option_count = 2,
    };
    struct status_roster roster = {.found_us = 0};
    int words = 0;

    enum result result = options_read(ctl, &help, argc, argv, &words);
    if (result != RESULT_OK)
        return options_exit(result);
    enum ctl_exit status = ctl_connect(ctl);
    if (status != CTL_EXIT_OK)
        return status;
    result = is_watch ? watch(ctl, &roster, interval_ms) : show(ctl, &roster, false);
    return result == RESULT_OK ? CTL_EXIT_OK : ctl_explain(ctl, result);
}
