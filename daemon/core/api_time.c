/* api_time.c - points in time as the API and HTTP write them. */
#include "core/api_time.h"

#include "base/clock.h"

#include <stdbool.h>
#include <string.h>

/* What is left to read. Every reader below moves on only when it succeeds. */
struct cursor {
    const char *at;
    const char *end;
};

struct calendar {
    int64_t year, month, day, hour, minute, second; /* month and day from 1 */
};

static bool take_char(struct cursor *cursor, char wanted)
{
    if (cursor->at == cursor->end || *cursor->at != wanted)
        return false;
    cursor->at++;
    return true;
}

static bool take_text(struct cursor *cursor, const char *wanted)
{
    size_t len = strlen(wanted);

    if ((size_t)(cursor->end - cursor->at) < len || memcmp(cursor->at, wanted, len) != 0)
        return false;
    cursor->at += len;
    return true;
}

static bool is_digit(const struct cursor *cursor)
{
    return cursor->at < cursor->end && *cursor->at >= '0' && *cursor->at <= '9';
}

/* Exactly `count` digits. */
static bool take_digits(struct cursor *cursor, int count, int64_t *ret_value)
{
    struct cursor ahead = *cursor;
    int64_t value = 0;

    for (int i = 0; i < count; i++) {
        if (!is_digit(&ahead))
            return false;
        value = value * 10 + (*ahead.at - '0');
        ahead.at++;
    }
    *cursor = ahead;
    *ret_value = value;
    return true;
}

static bool is_leap(int64_t year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static bool is_sound(const struct calendar *calendar)
{
    static const int month_days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    if (calendar->year < 1970 || calendar->month < 1 || calendar->month > 12)
        return false;
    int days = month_days[calendar->month - 1] + (calendar->month == 2 && is_leap(calendar->year));
    return calendar->day >= 1 && calendar->day <= days && calendar->hour <= 23 &&
           calendar->minute <= 59 && calendar->second <= 60; /* 60: a leap second */
}

/* Days since 1970-01-01 by years of 365 days and their leap days (proleptic Gregorian). */
static int64_t days_since_epoch(const struct calendar *calendar)
{
    static const int days_before_month[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    int64_t past = calendar->year - 1;
    int64_t leap_days = past / 4 - past / 100 + past / 400 - (1969 / 4 - 1969 / 100 + 1969 / 400);

    return (calendar->year - 1970) * 365 + leap_days + days_before_month[calendar->month - 1] +
           (calendar->month > 2 && is_leap(calendar->year)) + calendar->day - 1;
}

static int64_t unix_sec(const struct calendar *calendar)
{
    return ((days_since_epoch(calendar) * 24 + calendar->hour) * 60 + calendar->minute) * 60 +
           calendar->second;
}

static bool take_clock(struct cursor *cursor, struct calendar *calendar)
{
    return take_digits(cursor, 2, &calendar->hour) && take_char(cursor, ':') &&
           take_digits(cursor, 2, &calendar->minute) && take_char(cursor, ':') &&
           take_digits(cursor, 2, &calendar->second);
}

/* ".5" is 500 ms; none at all is 0. */
static bool take_fraction_ms(struct cursor *cursor, int64_t *ret_ms)
{
    int64_t ms = 0;
    int64_t unit_ms = 100;

    if (!take_char(cursor, '.')) {
        *ret_ms = 0;
        return true;
    }
    if (!is_digit(cursor))
        return false;
    for (; is_digit(cursor); cursor->at++) {
        ms += (*cursor->at - '0') * unit_ms;
        unit_ms /= 10;
    }
    *ret_ms = ms;
    return true;
}

static bool take_offset_sec(struct cursor *cursor, int64_t *ret_sec)
{
    int64_t hours = 0;
    int64_t minutes = 0;
    int64_t sign = 1;

    if (take_char(cursor, 'Z')) {
        *ret_sec = 0;
        return true;
    }
    if (take_char(cursor, '-'))
        sign = -1;
    else if (!take_char(cursor, '+'))
        return false;
    if (!take_digits(cursor, 2, &hours))
        return false;
    if (cursor->at < cursor->end) {
        take_char(cursor, ':');
        if (!take_digits(cursor, 2, &minutes))
            return false;
    }
    if (hours > 23 || minutes > 59)
        return false;
    *ret_sec = sign * (hours * 60 + minutes) * 60;
    return true;
}

enum result api_time_parse(const char *text, size_t len, int64_t *ret_unix_ms)
{
    struct cursor cursor = {text, text + len};
    struct calendar calendar = {0};
    int64_t fraction_ms = 0;
    int64_t offset_sec = 0;

    bool is_read = take_digits(&cursor, 4, &calendar.year) && take_char(&cursor, '-') &&
                   take_digits(&cursor, 2, &calendar.month) && take_char(&cursor, '-') &&
                   take_digits(&cursor, 2, &calendar.day) &&
                   (take_char(&cursor, 'T') || take_char(&cursor, ' ')) &&
                   take_clock(&cursor, &calendar) && take_fraction_ms(&cursor, &fraction_ms) &&
                   take_offset_sec(&cursor, &offset_sec);
    if (!is_read || cursor.at != cursor.end || !is_sound(&calendar))
        return RESULT_INVALID;
    *ret_unix_ms = (unix_sec(&calendar) - offset_sec) * MS_PER_SEC + fraction_ms;
    return RESULT_OK;
}

static bool take_month(struct cursor *cursor, int64_t *ret_month)
{
    static const char *const names[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

    for (int64_t i = 0; i < 12; i++) {
        if (take_text(cursor, names[i])) {
            *ret_month = i + 1;
            return true;
        }
    }
    return false;
}

/* The day's name up to the blank behind it; the date tells the day by itself. */
static bool skip_day_name(struct cursor *cursor)
{
    const char *blank = memchr(cursor->at, ' ', (size_t)(cursor->end - cursor->at));

    if (blank == NULL || blank - cursor->at < 3 || blank - cursor->at > 10)
        return false;
    cursor->at = blank + 1;
    return true;
}

/* Sun, 06 Nov 1994 08:49:37 GMT */
static bool take_imf_date(struct cursor *cursor, struct calendar *calendar)
{
    return take_digits(cursor, 2, &calendar->day) && take_char(cursor, ' ') &&
           take_month(cursor, &calendar->month) && take_char(cursor, ' ') &&
           take_digits(cursor, 4, &calendar->year) && take_char(cursor, ' ') &&
           take_clock(cursor, calendar) && take_text(cursor, " GMT");
}

/* Sunday, 06-Nov-94 08:49:37 GMT; a year of two digits is taken as the one from 1970 to 2069. */
static bool take_rfc850_date(struct cursor *cursor, struct calendar *calendar)
{
    if (!take_digits(cursor, 2, &calendar->day) || !take_char(cursor, '-') ||
        !take_month(cursor, &calendar->month) || !take_char(cursor, '-') ||
        !take_digits(cursor, 2, &calendar->year) || !take_char(cursor, ' ') ||
        !take_clock(cursor, calendar) || !take_text(cursor, " GMT"))
        return false;
    calendar->year += calendar->year < 70 ? 2000 : 1900;
    return true;
}

/* Sun Nov  6 08:49:37 1994 */
static bool take_asctime_date(struct cursor *cursor, struct calendar *calendar)
{
    if (!take_month(cursor, &calendar->month) || !take_char(cursor, ' '))
        return false;
    bool has_day = take_char(cursor, ' ') ? take_digits(cursor, 1, &calendar->day)
                                          : take_digits(cursor, 2, &calendar->day);
    return has_day && take_char(cursor, ' ') && take_clock(cursor, calendar) &&
           take_char(cursor, ' ') && take_digits(cursor, 4, &calendar->year);
}

enum result http_date_parse(const char *text, size_t len, int64_t *ret_unix_ms)
{
    static bool (*const forms[])(struct cursor *, struct calendar *) = {
        take_imf_date, take_rfc850_date, take_asctime_date};
    struct cursor start = {text, text + len};

    if (!skip_day_name(&start))
        return RESULT_INVALID;
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        struct cursor cursor = start;
        struct calendar calendar = {0};
        if (forms[i](&cursor, &calendar) && cursor.at == cursor.end && is_sound(&calendar)) {
            *ret_unix_ms = unix_sec(&calendar) * MS_PER_SEC;
            return RESULT_OK;
        }
    }
    return RESULT_INVALID;
}
