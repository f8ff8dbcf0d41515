/*
 * notify.h - tells systemd what the process is doing.
 *
 * The protocol is one datagram to $NOTIFY_SOCKET (sd_notify(3)); ten lines serve
 * it, so libsystemd and what it links are not needed. Without the variable every
 * call does nothing.
 */
#ifndef AUTHLINKD_APP_NOTIFY_H
#define AUTHLINKD_APP_NOTIFY_H

#include <stdint.h>

/* Sends newline-separated KEY=VALUE pairs. */
void notify_send(const char *pairs);

/* "STATUS=<status>" */
void notify_status(const char *status);

/* RELOADING=1 with its time stamp: without it a Type=notify-reload unit would wait (sd_notify(3)).
 */
void notify_reloading(int64_t now_us);

/* Asks for `more_us` beyond now before systemd calls this stop hung. */
void notify_extend_timeout(int64_t more_us);

/* How often WATCHDOG=1 is to come: half of $WATCHDOG_USEC, as sd_watchdog_enabled(3) advises; 0:
 * never. */
int64_t notify_watchdog_interval_us(void);

#endif
