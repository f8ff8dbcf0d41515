/* job_source.c - where the jobs of an enqueue come from. */
#include "ctl/job_source.h"

#include "base/text.h"
#include "ctl/csv.h"
#include "ctl/ctl.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Tells that something at `place` (and line, if over 0) is wrong. */
static void tell(const char *place, int64_t line, const char *what, const char *detail)
{
    terminal_put(stderr, place, strlen(place));
    if (line > 0)
        fprintf(stderr, ":%" PRId64, line);
    fprintf(stderr, ": %s%s", what, detail[0] != '\0' ? ": " : "");
    terminal_put(stderr, detail, strlen(detail));
    fputc('\n', stderr);
}

static enum result add(struct job_source *source, const char *place, int64_t line, const char *text,
                       size_t len, const char *ref, size_t ref_len)
{
    struct job_refusal refusal;

    enum result result = job_list_add(&source->list, text, len, ref, ref_len, &source->defaults,
                                      &source->rules, &refusal);
    if (result != RESULT_INVALID)
        return result;
    if (source->bad++ < JOB_SOURCE_FAULTS_TOLD)
        tell(place, line, job_reason_name(refusal.reason), refusal.detail);
    return RESULT_OK;
}

enum result job_source_read_words(struct job_source *source, int count, char **words)
{
    enum result result = RESULT_OK;

    for (int i = 0; i < count && result == RESULT_OK; i++) {
        char place[32];
        snprintf(place, sizeof place, "argument %d", i + 1);
        result = add(source, place, 0, words[i], strlen(words[i]), "", 0);
    }
    return result;
}

enum result job_source_read_lines(struct job_source *source)
{
    enum result result = RESULT_OK;
    char *line = NULL;
    size_t size = 0;
    ssize_t got;

    for (int64_t number = 1; result == RESULT_OK && (got = getline(&line, &size, stdin)) >= 0;
         number++) {
        size_t len = (size_t)got;
        len -= len > 0 && line[len - 1] == '\n';
        len -= len > 0 && line[len - 1] == '\r';
        if (len > 0)
            result = add(source, "standard input", number, line, len, "", 0);
    }
    free(line);
    if (result == RESULT_OK && ferror(stdin) != 0) {
        tell("standard input", 0, "cannot be read", strerror(errno));
        return RESULT_INVALID;
    }
    return result;
}

struct columns {
    size_t id, ref;
    bool has_ref;
};

static enum result tell_columns(const struct csv *csv, const char *path, const char *missing)
{
    fprintf(stderr, "authlinkctl: ");
    terminal_put(stderr, path, strlen(path));
    fprintf(stderr, ": its first row names no column ");
    terminal_put(stderr, missing, strlen(missing));
    fprintf(stderr, "; it has:");
    for (size_t i = 0; i < csv->count && i < 20; i++) {
        size_t len = 0;
        const char *cell = csv_cell(csv, i, &len);
        fprintf(stderr, "%s \"", i > 0 ? "," : "");
        terminal_put(stderr, cell, len < 60 ? len : 60);
        fputc('"', stderr);
    }
    fputs(". What to do: --column NAME, --ref-column NAME; a file of IDs alone: "
          "authlinkctl enqueue - <FILE\n",
          stderr);
    return RESULT_INVALID;
}

static enum result find_columns(const struct job_source *source, const struct csv *csv,
                                const char *path, struct columns *ret_columns)
{
    static const char *const usual[] = {"endUserId", "end_user_id", "end user id", "id"};
    struct columns columns = {.has_ref = source->ref_column != NULL};
    bool is_found = false;

    if (source->column != NULL)
        is_found = csv_find(csv, source->column, &columns.id);
    for (size_t i = 0; source->column == NULL && i < sizeof usual / sizeof usual[0] && !is_found;
         i++)
        is_found = csv_find(csv, usual[i], &columns.id);
    if (!is_found)
        return tell_columns(csv, path, source->column != NULL ? source->column : usual[0]);
    if (columns.has_ref && !csv_find(csv, source->ref_column, &columns.ref))
        return tell_columns(csv, path, source->ref_column);
    *ret_columns = columns;
    return RESULT_OK;
}

static enum result read_rows(struct job_source *source, struct csv *csv, const char *path)
{
    struct columns columns = {.id = 0};

    enum result result = csv_read_row(csv);
    if (result == RESULT_OK)
        result = find_columns(source, csv, path, &columns);
    else if (result == RESULT_EMPTY)
        csv->fault = "the file is empty: its first row must name the columns";
    if (result == RESULT_EMPTY)
        result = RESULT_INVALID;
    while (result == RESULT_OK) {
        result = csv_read_row(csv);
        if (result != RESULT_OK)
            break;
        size_t id_len = 0;
        size_t ref_len = 0;
        const char *id = csv_cell(csv, columns.id, &id_len);
        const char *ref = columns.has_ref ? csv_cell(csv, columns.ref, &ref_len) : "";
        /* Blanks around a cell are seen by nobody in a spreadsheet, and mean nothing there. */
        id = text_trim(id, id_len, &id_len);
        ref = text_trim(ref, ref_len, &ref_len);
        result = add(source, path, csv->line, id, id_len, ref, ref_len);
    }
    if (csv->fault != NULL)
        tell(path, csv->line, csv->fault, "");
    else if (result == RESULT_SYSTEM)
        tell(path, 0, "cannot be read", strerror(errno));
    return result == RESULT_EMPTY ? RESULT_OK : result == RESULT_SYSTEM ? RESULT_INVALID : result;
}

enum result job_source_read_csv(struct job_source *source, const char *path)
{
    bool is_stdin = strcmp(path, "-") == 0;
    const char *shown = is_stdin ? "standard input" : path;
    FILE *file = is_stdin ? stdin : fopen(path, "re");
    struct csv csv;

    if (file == NULL) {
        tell(shown, 0, "cannot be opened", strerror(errno));
        return RESULT_INVALID;
    }
    csv_init(&csv, file);
    enum result result = read_rows(source, &csv, shown);
    csv_done(&csv);
    if (!is_stdin)
        fclose(file);
    return result;
}
