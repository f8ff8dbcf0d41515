/*
 * app.h - the daemon: wiring, life and end.
 *
 * Who owns whom:
 *
 *   app ── settings (config/)        everything from the file, and the secrets
 *    ├──── identity                  the lock of the instance
 *    ├──── event_base                the one loop
 *    ├──── signals
 *    ├──── metrics                   what a monitor may ask; borrows the worker
 *    └──── worker                    the work cycle: claim -> slot -> request -> settle
 *           ├── queue (queue/)       our side of Redis; owns the jobs' memory
 *           ├── conductor            our side of the API
 *           └── pacer (core/)        borrows jobs that wait for their slots
 */
#ifndef AUTHLINKD_APP_APP_H
#define AUTHLINKD_APP_APP_H

/* Exit codes (sysexits.h for the last): systemd does not restart after EXIT_CONFIG. */
enum app_exit {
    APP_EXIT_OK = 0,
    APP_EXIT_FAILURE = 1,
    APP_EXIT_USAGE = 2,
    APP_EXIT_CONFIG = 78,
};

struct settings;

/* Runs by these settings, which it takes over with their secrets, to its end. Returns an exit code.
 */
int app_run(const char *config_path, const struct settings *settings);

#endif
