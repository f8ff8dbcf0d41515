/* doctor_data.c - whom the data belongs to, what is there, who works on it. */
#include "ctl/doctor.h"
#include "ctl/fields.h"
#include "ctl/status.h"
#include "queue/queue.h"

#include <inttypes.h>
#include <string.h>

static void look_at_owner(struct doctor *doctor, const struct status *status)
{
    const char *ours = doctor->ctl->settings.conductor.publishable_key;
    const char *theirs = field_text(status->meta, "publishableKey");
    int64_t schema = field_int(status->meta, "schema", QUEUE_SCHEMA);

    if (schema != QUEUE_SCHEMA)
        doctor_find(doctor, VERDICT_FAIL, "data.schema",
                    schema > QUEUE_SCHEMA ? "install the newer authlinkd" : "authlinkctl adopt",
                    "schema %" PRId64 ", this program knows %d", schema, QUEUE_SCHEMA);
    if (theirs[0] == '\0')
        doctor_find(doctor, VERDICT_OK, "data.project", "", "none yet: no daemon has worked here");
    else if (ours[0] == '\0' || strcmp(ours, theirs) == 0)
        doctor_find(doctor, VERDICT_OK, "data.project", "", "%s", theirs);
    else
        doctor_find(doctor, VERDICT_FAIL, "data.project",
                    "another redis.key_prefix for this project, or on purpose: authlinkctl adopt",
                    "the data belongs to %s, the configuration has %s", theirs, ours);
}

static void look_at_work(struct doctor *doctor, const struct status *status)
{
    struct status_hold hold;
    bool is_idle = status->instance_count == 0;

    doctor_find(doctor, is_idle ? VERDICT_WARN : VERDICT_OK, "data.instances",
                is_idle ? "systemctl start authlinkd" : "", "%zu running", status->instance_count);
    for (size_t i = 0; status_hold_at(status, i, &hold); i++)
        doctor_find(doctor, VERDICT_WARN, "data.hold", status_hold_advice(&hold), "%s %s",
                    hold.cause, hold.detail);
    if (status->audit.letters > 0)
        doctor_find(doctor, VERDICT_WARN, "data.dead", "authlinkctl dead list",
                    "%" PRId64 " jobs were given up", status->audit.letters);
    bool holds = audit_holds(&status->audit);
    doctor_find(doctor, holds ? VERDICT_OK : VERDICT_WARN, "data.law",
                holds ? "" : "authlinkctl audit", "%s",
                holds ? "no job is missing" : "jobs are unaccounted for: Redis lost writes");
}

void doctor_look_at_data(struct doctor *doctor)
{
    struct status_roster roster = {.found_us = 0};
    struct status status;

    enum result result = status_read(doctor->ctl->dialog, &roster, &status);
    if (result != RESULT_OK) {
        doctor_find(doctor, VERDICT_FAIL, "data", "", "%s", dialog_why(doctor->ctl->dialog));
        return;
    }
    look_at_owner(doctor, &status);
    look_at_work(doctor, &status);
    status_done(&status);
}
