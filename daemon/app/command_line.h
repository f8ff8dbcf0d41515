/*
 * command_line.h - what authlinkd was called for: to run, to look at a configuration, to tell of
 * itself.
 */
#ifndef AUTHLINKD_APP_COMMAND_LINE_H
#define AUTHLINKD_APP_COMMAND_LINE_H

/* Returns the exit status, an enum app_exit. */
int command_line_main(int argc, char **argv);

#endif
