/*
 * csv.h - reads CSV: quoted cells, doubled quotes, line ends within quotes, CR LF or LF.
 *
 * Comma, semicolon or tab separate; which one is seen in the first line. A byte order mark
 * before it is passed over; UTF-16 is told as such.
 *
 * Sources  RFC 4180.
 */
#ifndef AUTHLINKD_CTL_CSV_H
#define AUTHLINKD_CTL_CSV_H

#include "base/buffer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define CSV_CELLS_MAX     1024
#define CSV_ROW_MAX_BYTES (1024 * 1024)

struct csv {
    FILE *file;        /* borrows */
    char separator;    /* 0: not seen yet */
    int64_t line;      /* of the row that was read, from 1 */
    int64_t next_line; /* of the row after it */
    struct buffer bytes;
    size_t starts[CSV_CELLS_MAX + 1]; /* of the cells in `bytes` */
    size_t count;
    const char *fault; /* set with RESULT_INVALID */
};

void csv_init(struct csv *csv, FILE *file);
void csv_done(struct csv *csv);

/*
 * Reads one row. One without any text is passed over: spreadsheets leave such below the last.
 *   RESULT_EMPTY    the file is over.
 *   RESULT_INVALID  csv->fault, at csv->line.
 *   RESULT_SYSTEM   it cannot be read: errno.
 */
MUST_CHECK enum result csv_read_row(struct csv *csv);

/* Cell `index` of the row; "" if the row is shorter. */
const char *csv_cell(const struct csv *csv, size_t index, size_t *ret_len);

/* The column whose first cell is `name`; false: there is none. */
bool csv_find(const struct csv *csv, const char *name, size_t *ret_index);

#endif
