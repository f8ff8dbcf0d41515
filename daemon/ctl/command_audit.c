/* command_audit.c - the conservation law, on the live data, in one atomic read. */
#include "ctl/audit.h"
#include "ctl/ctl.h"
#include "ctl/json.h"
#include "ctl/options.h"

#include <inttypes.h>
#include <stdio.h>

#define TEXT_MAX_BYTES 65536

static void print_json(struct ctl *ctl, const struct audit *audit)
{
    struct buffer text;
    struct json json = {.text = &text};

    buffer_init(&text, TEXT_MAX_BYTES);
    json_open_object(&json, NULL);
    json_bool(&json, "holds", audit_holds(audit));
    json_int(&json, "missingJobs", audit_missing_jobs(audit));
    json_int(&json, "missingLetters", audit_missing_letters(audit));
    audit_json(&json, audit);
    json_close_object(&json);
    ctl_put_line(ctl, &text);
}

static void print_text(const struct ctl *ctl, const struct audit *audit)
{
    bool holds = audit_holds(audit);

    printf("taken %" PRId64 " + redriven %" PRId64 " = ready %" PRId64 " + reused %" PRId64
           " + dead %" PRId64 " + delayed %" PRId64 " + in leases %" PRId64 "\n",
           audit->taken, audit->redriven, audit->ready, audit->reused, audit->dead, audit->delayed,
           audit->in_leases);
    printf("dead %" PRId64 " = redriven %" PRId64 " + removed %" PRId64 " + letters %" PRId64 "\n",
           audit->dead, audit->redriven, audit->removed, audit->letters);
    printf("%s%s%s\n", terminal_color(&ctl->out, holds ? COLOR_GOOD : COLOR_BAD),
           holds ? "The law holds: no job was lost." : "THE LAW IS BROKEN.",
           terminal_color(&ctl->out, COLOR_NONE));
    if (holds)
        return;
    printf("Jobs unaccounted for: %" PRId64 "; letters unaccounted for: %" PRId64 "\n",
           audit_missing_jobs(audit), audit_missing_letters(audit));
    fputs(
        "Redis lost writes, or something else writes to these keys. What is left is still done.\n",
        stderr);
}

enum ctl_exit command_audit(struct ctl *ctl, int argc, char **argv)
{
    static const struct command_help help = {
        .words = "",
        .summary =
            "Reads all counters and places at one instant and checks that every job that was\n"
            "taken is somewhere: done, dead, delayed or in work. Exit status 1: it is not so.\n",
    };
    struct audit audit;
    int words = 0;

    enum result result = options_read(ctl, &help, argc, argv, &words);
    if (result != RESULT_OK)
        return options_exit(result);
    enum ctl_exit status = ctl_connect(ctl);
    if (status != CTL_EXIT_OK)
        return status;
    result = audit_read(ctl->dialog, &audit);
    if (result != RESULT_OK)
        return ctl_explain(ctl, result);
    if (ctl->wants_json)
        print_json(ctl, &audit);
    else
        print_text(ctl, &audit);
    return audit_holds(&audit) ? CTL_EXIT_OK : CTL_EXIT_FAILED;
}
