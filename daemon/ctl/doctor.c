/* doctor.c - a finding, as a line or as JSON. */
#include "ctl/doctor.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define DETAIL_MAX_BYTES 1024

static void find_json(struct doctor *doctor, const char *verdict, const char *check,
                      const char *detail, const char *advice)
{
    struct json *json = &doctor->json;

    json_open_object(json, NULL);
    json_text(json, "check", check, strlen(check));
    json_text(json, "verdict", verdict, strlen(verdict));
    json_text(json, "detail", detail, strlen(detail));
    json_text(json, "advice", advice, strlen(advice));
    json_close_object(json);
}

void doctor_find(struct doctor *doctor, enum verdict verdict, const char *check, const char *advice,
                 const char *format, ...)
{
    static const char *const words[] = {"ok", "warn", "fail"};
    static const enum color colors[] = {COLOR_GOOD, COLOR_WARN, COLOR_BAD};
    const struct terminal *out = &doctor->ctl->out;
    char detail[DETAIL_MAX_BYTES];
    va_list args;

    va_start(args, format);
    vsnprintf(detail, sizeof detail, format, args);
    va_end(args);
    doctor->warnings += verdict == VERDICT_WARN;
    doctor->failures += verdict == VERDICT_FAIL;
    if (doctor->ctl->wants_json) {
        find_json(doctor, words[verdict], check, detail, advice);
        return;
    }
    printf("%s%-4s%s  %-18s ", terminal_color(out, colors[verdict]), words[verdict],
           terminal_color(out, COLOR_NONE), check);
    terminal_put(stdout, detail, strlen(detail));
    putchar('\n');
    if (advice[0] != '\0')
        printf("%24s  what to do: %s\n", "", advice);
}
