/* csv.c - reads CSV. */
#include "ctl/csv.h"

#include "base/text.h"

#include <string.h>

void csv_init(struct csv *csv, FILE *file)
{
    memset(csv, 0, sizeof *csv);
    csv->file = file;
    csv->next_line = 1;
    buffer_init(&csv->bytes, CSV_ROW_MAX_BYTES);
}

void csv_done(struct csv *csv)
{
    buffer_done(&csv->bytes);
}

static int next_byte(struct csv *csv)
{
    int c = getc_unlocked(csv->file);

    csv->next_line += c == '\n';
    return c;
}

static void give_back(struct csv *csv, int c)
{
    if (c == EOF)
        return;
    csv->next_line -= c == '\n';
    ungetc(c, csv->file);
}

static enum result fail(struct csv *csv, const char *fault)
{
    csv->fault = fault;
    return RESULT_INVALID;
}

/* The first line's first separator is that of the file. */
static bool is_separator(struct csv *csv, int c)
{
    if (csv->separator != 0)
        return c == csv->separator;
    if (c != ',' && c != ';' && c != '\t')
        return false;
    csv->separator = (char)c;
    return true;
}

/* Behind the opening quote; ends behind the closing one. */
static enum result read_quoted(struct csv *csv)
{
    for (;;) {
        int c = next_byte(csv);
        if (c == EOF)
            return fail(csv, "a quoted cell has no end");
        if (c == '"') {
            c = next_byte(csv);
            if (c != '"') {
                give_back(csv, c);
                return RESULT_OK;
            }
        }
        if (buffer_append_char(&csv->bytes, (char)c) != RESULT_OK)
            return fail(csv, "the row is longer than 1 MiB");
    }
}

/* *ret_end is what ended the cell: a separator, a line end, or EOF. */
static enum result read_cell(struct csv *csv, int *ret_end)
{
    int c = next_byte(csv);

    if (c == '"') {
        enum result result = read_quoted(csv);
        if (result != RESULT_OK)
            return result;
        c = next_byte(csv);
        if (c == '\r')
            c = next_byte(csv);
        *ret_end = c;
        return c == EOF || c == '\n' || is_separator(csv, c)
                   ? RESULT_OK
                   : fail(csv, "something follows a closing quote");
    }
    for (; c != EOF && c != '\n' && !is_separator(csv, c); c = next_byte(csv)) {
        if (c == '\r') {
            int next = next_byte(csv);
            give_back(csv, next);
            if (next == '\n' || next == EOF)
                continue;
        }
        if (buffer_append_char(&csv->bytes, (char)c) != RESULT_OK)
            return fail(csv, "the row is longer than 1 MiB");
    }
    *ret_end = c;
    return RESULT_OK;
}

/* Passes over the byte order mark of UTF-8. NULL, or what is wrong with the first bytes. */
static const char *skip_byte_order_mark(struct csv *csv)
{
    int c = next_byte(csv);

    if (c == 0xfe || c == 0xff)
        return "the file is UTF-16, as spreadsheets write \"Unicode text\": save it as CSV UTF-8";
    if (c == 0xef)
        return next_byte(csv) == 0xbb && next_byte(csv) == 0xbf
                   ? NULL
                   : "the file begins with bytes that are no text";
    give_back(csv, c);
    return NULL;
}

static enum result read_row(struct csv *csv)
{
    int end = ',';

    csv->line = csv->next_line;
    csv->count = 0;
    buffer_reset(&csv->bytes);
    while (end != '\n' && end != EOF) {
        if (csv->count == CSV_CELLS_MAX)
            return fail(csv, "the row has more than 1024 cells");
        csv->starts[csv->count] = csv->bytes.len;
        enum result result = read_cell(csv, &end);
        if (result != RESULT_OK)
            return result;
        csv->starts[++csv->count] = csv->bytes.len;
    }
    if (ferror(csv->file) != 0)
        return RESULT_SYSTEM;
    return end == EOF && csv->count == 1 && csv->bytes.len == 0 ? RESULT_EMPTY : RESULT_OK;
}

enum result csv_read_row(struct csv *csv)
{
    enum result result;

    if (csv->line == 0) {
        const char *fault = skip_byte_order_mark(csv);
        if (fault != NULL) {
            csv->line = 1;
            return fail(csv, fault);
        }
    }
    do
        result = read_row(csv);
    while (result == RESULT_OK && csv->bytes.len == 0);
    return result;
}

const char *csv_cell(const struct csv *csv, size_t index, size_t *ret_len)
{
    if (index >= csv->count) {
        *ret_len = 0;
        return "";
    }
    *ret_len = csv->starts[index + 1] - csv->starts[index];
    return buffer_text(&csv->bytes) + csv->starts[index];
}

bool csv_find(const struct csv *csv, const char *name, size_t *ret_index)
{
    for (size_t i = 0; i < csv->count; i++) {
        size_t len = 0;
        const char *cell =
            text_trim(csv_cell(csv, i, &len), csv->starts[i + 1] - csv->starts[i], &len);
        if (text_equals_ignoring_case(cell, len, name, strlen(name))) {
            *ret_index = i;
            return true;
        }
    }
    return false;
}
