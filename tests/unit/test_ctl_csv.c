/* test_ctl_csv.c - the reader of CSV: every form that spreadsheets write, and what is wrong. */
#include "ctl/csv.h"
#include "run_tests.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

/* Cells are shown with | between them, rows with /. */
static const struct {
    const char *name;
    const char *text;
    const char *rows;
    const char *fault; /* NULL: none */
    int64_t line;      /* of the last row, or of the fault */
} files[] = {
    {"two rows", "a,b\n1,2\n", "a|b/1|2", NULL, 2},
    {"no line end at the end", "a,b\n1,2", "a|b/1|2", NULL, 2},
    {"CR LF", "a,b\r\n1,2\r\n", "a|b/1|2", NULL, 2},
    {"byte order mark before quotes", "\xef\xbb\xbf\"a\",b\n", "a|b", NULL, 1},
    {"semicolons, then commas are text", "a;b\n1,5;2\n", "a|b/1,5|2", NULL, 2},
    {"tabs", "a\tb\n1\t2\n", "a|b/1|2", NULL, 2},
    {"empty cells", "a,,\n,,c\n", "a||/||c", NULL, 2},
    {"quotes doubled, separators and line ends within", "\"a\"\"b\",\"c,d\"\n\"e\nf\",g\n",
     "a\"b|c,d/e\nf|g", NULL, 2},
    {"empty lines are passed over and counted", "a\n\n\r\nb\n", "a/b", NULL, 4},
    {"a quote within a bare cell is text", "a\"b,c\n", "a\"b|c", NULL, 1},
    {"a CR within a line is text", "a\rb\n", "a\rb", NULL, 1},
    {"nothing at all", "", "", NULL, 1},
    {"rows of empty cells are passed over and counted", "a,b\n,\n\"\",\"\"\n1,2\n,\n", "a|b/1|2",
     NULL, 4},
    {"a quote that does not end", "a\n\"b\nc\n", "a", "a quoted cell has no end", 2},
    {"text behind a quote", "a\n\n\"b\"c\n", "a", "something follows a closing quote", 3},
    {"UTF-16 is told as such",
     "\xff\xfe"
     "a",
     "", "the file is UTF-16, as spreadsheets write \"Unicode text\": save it as CSV UTF-8", 1},
    {"half a byte order mark",
     "\xef\xbb"
     "a\n",
     "", "the file begins with bytes that are no text", 1},
};

static enum result read_all(struct csv *csv, struct buffer *rows, int64_t *last_line)
{
    enum result result;

    while ((result = csv_read_row(csv)) == RESULT_OK) {
        buffer_append_str(rows, rows->len > 0 ? "/" : "");
        for (size_t i = 0; i < csv->count; i++) {
            size_t len = 0;
            const char *cell = csv_cell(csv, i, &len);
            buffer_append_str(rows, i > 0 ? "|" : "");
            buffer_append(rows, cell, len);
        }
        *last_line = csv->line;
    }
    return result;
}

START_TEST(a_file_is_read_as_a_spreadsheet_means_it)
{
    struct csv csv;
    struct buffer rows;
    int64_t last_line = 1;
    FILE *file = tmpfile();

    ck_assert_ptr_nonnull(file);
    fwrite(files[_i].text, 1, strlen(files[_i].text), file);
    rewind(file);
    csv_init(&csv, file);
    buffer_init(&rows, 4096);
    enum result result = read_all(&csv, &rows, &last_line);
    ck_assert_msg(strcmp(buffer_text(&rows), files[_i].rows) == 0, "%s: got %s", files[_i].name,
                  buffer_text(&rows));
    if (files[_i].fault == NULL) {
        ck_assert_msg(result == RESULT_EMPTY, "%s: %s", files[_i].name, result_text(result));
        ck_assert_msg(last_line == files[_i].line, "%s: line %d", files[_i].name, (int)last_line);
    } else {
        ck_assert_msg(result == RESULT_INVALID, "%s: %s", files[_i].name, result_text(result));
        ck_assert_str_eq(csv.fault, files[_i].fault);
        ck_assert_msg(csv.line == files[_i].line, "%s: line %d", files[_i].name, (int)csv.line);
    }
    buffer_done(&rows);
    csv_done(&csv);
    fclose(file);
}
END_TEST

START_TEST(a_row_without_bounds_is_refused)
{
    struct csv csv;
    FILE *file = tmpfile();

    ck_assert_ptr_nonnull(file);
    for (int i = 0; i < CSV_CELLS_MAX + 1; i++)
        fputs("x,", file);
    rewind(file);
    csv_init(&csv, file);
    ck_assert_int_eq(csv_read_row(&csv), RESULT_INVALID);
    ck_assert_str_eq(csv.fault, "the row has more than 1024 cells");
    csv_done(&csv);

    rewind(file);
    for (int i = 0; i < CSV_ROW_MAX_BYTES + 1; i++)
        fputc('x', file);
    rewind(file);
    csv_init(&csv, file);
    ck_assert_int_eq(csv_read_row(&csv), RESULT_INVALID);
    ck_assert_str_eq(csv.fault, "the row is longer than 1 MiB");
    csv_done(&csv);
    fclose(file);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ctl_csv");
    TCase *tcase = tcase_create("ctl_csv");

    tcase_add_loop_test(tcase, a_file_is_read_as_a_spreadsheet_means_it, 0,
                        (int)(sizeof files / sizeof files[0]));
    tcase_add_test(tcase, a_row_without_bounds_is_refused);
    suite_add_tcase(suite, tcase);
    return run_tests(suite);
}
