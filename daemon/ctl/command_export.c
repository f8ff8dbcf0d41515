/* command_export.c - all links that are valid, for a mail merge. */
#include "ctl/ctl.h"
#include "ctl/id_set.h"
#include "ctl/json.h"
#include "ctl/options.h"
#include "ctl/scan.h"
#include "queue/replies.h"

#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define ROW_MAX_BYTES  65536
#define LINK_MAX_LEN   8192
#define UNANSWERED_MAX 256

/* What is read of a session, and what the columns are called. */
static const char *const columns[] = {"endUserId", "ref", "authFlowUrl", "expiresAt"};
#define COLUMN_COUNT 4
#define COLUMN_LINK  2

struct export
{
    struct ctl *ctl;
    bool is_csv, is_jsonl;
    const char *ref_prefix;
    struct id_set seen; /* SCAN may say a key twice */
    struct buffer row;
    int64_t count;
    enum result result; /* of what happened in a callback */
};

/*
 * A cell. What a spreadsheet would take for a formula gets an apostrophe before it; quotes,
 * separators and line ends are quoted (RFC 4180).
 */
static void append_cell(struct buffer *row, const char *text, size_t len)
{
    bool is_formula = len > 0 && strchr("=+-@\t\r\n", text[0]) != NULL;
    bool is_quoted = is_formula;

    for (size_t i = 0; i < len && !is_quoted; i++)
        is_quoted = strchr("\",;\t\r\n", text[i]) != NULL;
    if (!is_quoted) {
        buffer_append(row, text, len);
        return;
    }
    buffer_append_str(row, is_formula ? "\"'" : "\"");
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '"')
            buffer_append_char(row, '"');
        buffer_append_char(row, text[i]);
    }
    buffer_append_char(row, '"');
}

/* A person sees it: as elsewhere, nothing steers the terminal. A file keeps each byte. */
static void append_shown_cell(struct buffer *row, const char *text, size_t len)
{
    struct buffer shown;

    buffer_init(&shown, ROW_MAX_BYTES);
    terminal_escape(&shown, text, len);
    append_cell(row, buffer_text(&shown), shown.len);
    row->failed = row->failed || shown.failed;
    buffer_done(&shown);
}

static void write_row(struct export *export, const char *const *texts, const size_t *lens)
{
    struct json json = {.text = &export->row};

    buffer_init(&export->row, ROW_MAX_BYTES);
    if (export->is_jsonl)
        json_open_object(&json, NULL);
    for (size_t i = 0; i < COLUMN_COUNT; i++) {
        if (export->is_jsonl) {
            json_text(&json, columns[i], texts[i], lens[i]);
            continue;
        }
        buffer_append_str(&export->row, i > 0 ? "," : "");
        if (export->ctl->out.is_tty)
            append_shown_cell(&export->row, texts[i], lens[i]);
        else
            append_cell(&export->row, texts[i], lens[i]);
    }
    if (export->is_jsonl)
        json_close_object(&json);
    ctl_put_line(export->ctl, &export->row);
}

static void write_header(struct export *export)
{
    size_t lens[COLUMN_COUNT];

    for (size_t i = 0; i < COLUMN_COUNT; i++)
        lens[i] = strlen(columns[i]);
    if (export->is_csv)
        write_row(export, columns, lens);
}

/* A session: status, then the columns. One of another type, or none any more, is passed over. */
static void on_found(const redisReply *reply, void *user)
{
    struct export *export = user;
    const char *texts[COLUMN_COUNT];
    size_t lens[COLUMN_COUNT];
    char link[LINK_MAX_LEN];
    uint32_t times = 0;

    if (reply != NULL && reply->type == REDIS_REPLY_ERROR &&
        !text_starts_with(reply->str, "WRONGTYPE "))
        export->result = dialog_refused(export->ctl->dialog, reply);
    if (!reply_is(reply_at(reply, 0), "ready"))
        return;
    for (size_t i = 0; i < COLUMN_COUNT; i++) {
        texts[i] = reply_text(reply_at(reply, i + 1));
        lens[i] = reply_len(reply_at(reply, i + 1));
    }
    if (export->ref_prefix != NULL && !text_starts_with(texts[1], export->ref_prefix))
        return;
    if (id_set_add(&export->seen, texts[0], lens[0], &times) != RESULT_OK)
        export->result = RESULT_NO_MEMORY;
    if (times != 1)
        return;
    ctl_show_link(export->ctl, texts[COLUMN_LINK], lens[COLUMN_LINK], link, sizeof link);
    texts[COLUMN_LINK] = link;
    lens[COLUMN_LINK] = strlen(link);
    write_row(export, texts, lens);
    export->count++;
}

static enum result on_key(const char *key, size_t len, void *user)
{
    struct export *export = user;
    const char *words[COLUMN_COUNT + 3] = {"HMGET", key, "status"};
    size_t lens[COLUMN_COUNT + 3] = {5, len, 6};

    for (size_t i = 0; i < COLUMN_COUNT; i++) {
        words[i + 3] = columns[i];
        lens[i + 3] = strlen(columns[i]);
    }
    enum result result =
        dialog_send(export->ctl->dialog, COLUMN_COUNT + 3, words, lens, on_found, export);
    if (result == RESULT_OK)
        result = dialog_drain(export->ctl->dialog, UNANSWERED_MAX);
    if (ferror(stdout) != 0)
        return RESULT_SYSTEM;
    return result == RESULT_OK ? export->result : result;
}

static enum ctl_exit run(struct export *export)
{
    struct ctl *ctl = export->ctl;

    enum ctl_exit status = ctl_connect(ctl);
    if (status != CTL_EXIT_OK)
        return status;
    if (!ctl->reveals)
        ctl_complain("the links are masked, for they are credentials. What to do: --reveal");
    write_header(export);
    enum result result = scan_keys(ctl->dialog, "session", on_key, export);
    if (result == RESULT_OK)
        result = dialog_drain(ctl->dialog, 0);
    if (result == RESULT_OK && export->result == RESULT_OK && dialog_is_interrupted(ctl->dialog)) {
        ctl_complain("interrupted: the output is not complete");
        return CTL_EXIT_FAILED;
    }
    if (result != RESULT_OK || export->result != RESULT_OK)
        return ctl_explain(ctl, result != RESULT_OK ? result : export->result);
    fprintf(stderr, "%" PRId64 " links\n", export->count);
    return CTL_EXIT_OK;
}

enum ctl_exit command_export(struct ctl *ctl, int argc, char **argv)
{
    struct export export = {.ctl = ctl};
    const struct option_spec options[] = {
        {"--csv", NULL, OPTION_FLAG, &export.is_csv, 0, 0, "comma-separated, with a row of names"},
        {"--jsonl", NULL, OPTION_FLAG, &export.is_jsonl, 0, 0, "one JSON object a line"},
        {"--ref", "PREFIX", OPTION_TEXT, &export.ref_prefix, 0, 0,
         "only those whose ref begins with it"},
    };
    const struct command_help help = {
        .words = "--csv | --jsonl",
        .summary =
            "Writes every link that is valid now: endUserId, ref, authFlowUrl, expiresAt.\n"
            "Links are masked without --reveal. In CSV, a cell that a spreadsheet would take\n"
            "for a formula gets an apostrophe before it.\n",
        .options = options,
        .option_count = sizeof options / sizeof options[0],
    };
    int words = 0;

    enum result result = options_read(ctl, &help, argc, argv, &words);
    if (result != RESULT_OK)
        return options_exit(result);
    if (ctl->wants_json && !export.is_csv)
        export.is_jsonl = true;
    if (export.is_csv == export.is_jsonl)
        return ctl_misused(ctl, "--csv or --jsonl?");
    id_set_init(&export.seen);
    enum ctl_exit status = run(&export);
    id_set_done(&export.seen);
    return status;
}
