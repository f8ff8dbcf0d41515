/* command_doctor.c - is all as it should be? */
#include "ctl/doctor.h"
#include "ctl/options.h"

#include <stdio.h>

#define TEXT_MAX_BYTES 65536

static enum ctl_exit look(struct doctor *doctor)
{
    struct ctl *ctl = doctor->ctl;

    enum result result = dialog_open(&ctl->settings, &ctl->dialog);
    bool is_connected = result == RESULT_OK;
    if (is_connected) {
        doctor_find(doctor, VERDICT_OK, "redis.connection", "", "%s answers",
                    dialog_where(ctl->dialog));
        doctor_look_at_redis(doctor);
        doctor_look_at_data(doctor);
    } else {
        doctor_find(doctor, VERDICT_FAIL, "redis.connection",
                    "start Redis, or correct redis.url and its password", "%s",
                    ctl->dialog == NULL ? result_text(result) : dialog_why(ctl->dialog));
    }
    doctor_look_at_host(doctor);
    if (!is_connected)
        return CTL_EXIT_UNREACHABLE;
    return doctor->failures > 0 ? CTL_EXIT_FAILED : CTL_EXIT_OK;
}

enum ctl_exit command_doctor(struct ctl *ctl, int argc, char **argv)
{
    static const struct command_help help = {
        .words = "",
        .summary =
            "Looks at Redis (version, persistence, eviction, rights, clock), at the data, at the\n"
            "files of the configuration and at the way to the API, and says what to do. Creates\n"
            "no session. Exit status 1: something fails; warnings are no failure.\n",
    };
    struct doctor doctor = {.ctl = ctl};
    int words = 0;

    enum result result = options_read(ctl, &help, argc, argv, &words);
    if (result != RESULT_OK)
        return options_exit(result);
    enum ctl_exit status = ctl_configure(ctl);
    if (status != CTL_EXIT_OK)
        return status;
    buffer_init(&doctor.text, TEXT_MAX_BYTES);
    doctor.json.text = &doctor.text;
    json_open_object(&doctor.json, NULL);
    json_open_array(&doctor.json, "findings");
    status = look(&doctor);
    json_close_array(&doctor.json);
    json_int(&doctor.json, "warnings", doctor.warnings);
    json_int(&doctor.json, "failures", doctor.failures);
    json_close_object(&doctor.json);
    if (ctl->wants_json)
        ctl_put_line(ctl, &doctor.text);
    else
        buffer_done(&doctor.text);
    return status;
}
