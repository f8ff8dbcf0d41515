/* command_line.c - what authlinkd was called for. */
#include "app/command_line.h"

#include "app/app.h"
#include "app/options.h"
#include "app/signals.h"
#include "config/config.h"

#include <cjson/cJSON.h>
#include <curl/curl.h>
#include <event2/event.h>
#include <hiredis/hiredis.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <sys/prctl.h>

static int check(const char *config_path, const struct settings *settings)
{
    printf("%s: ok\n", config_path);
    if (settings->secret_key == NULL)
        printf("no secret key is seen from here: the daemon needs one in a file that "
               "conductor.secret_key_file names, a systemd credential of its unit, or "
               "CONDUCTOR_SECRET_KEY\n");
    return APP_EXIT_OK;
}

static int dump(const struct settings *settings)
{
    struct buffer text;

    buffer_init(&text, CONFIG_MESSAGES_MAX_BYTES);
    enum result result = config_dump(settings, &text);
    fwrite(buffer_text(&text), 1, text.len, stdout);
    buffer_done(&text);
    return result == RESULT_OK ? APP_EXIT_OK : APP_EXIT_FAILURE;
}

static enum result load(const struct options *options, struct settings *ret_settings)
{
    struct buffer messages;

    buffer_init(&messages, CONFIG_MESSAGES_MAX_BYTES);
    enum result result = options->action == ACTION_RUN
                             ? config_load(options->config_path, ret_settings, &messages)
                             : config_load_to_look(options->config_path, ret_settings, &messages);
    fwrite(buffer_text(&messages), 1, messages.len, stderr);
    buffer_done(&messages);
    return result;
}

static int act_on_config(const struct options *options)
{
    struct settings settings;

    if (load(options, &settings) != RESULT_OK)
        return APP_EXIT_CONFIG;
    if (options->action == ACTION_RUN)
        return app_run(options->config_path, &settings);
    int code = options->action == ACTION_DUMP_CONFIG ? dump(&settings)
                                                     : check(options->config_path, &settings);
    config_free(&settings);
    return code;
}

static int print_version(void)
{
    printf("authlinkd %s\n%s\nlibevent/%s hiredis/%d.%d.%d cJSON/%s %s\n", AUTHLINKD_VERSION,
           curl_version(), event_get_version(), HIREDIS_MAJOR, HIREDIS_MINOR, HIREDIS_PATCH,
           cJSON_Version(), OpenSSL_version(OPENSSL_VERSION));
    return APP_EXIT_OK;
}

static int act(int argc, char **argv)
{
    struct options options;
    const char *wrong_word = NULL;

    if (options_read(argc, argv, &options, &wrong_word) != RESULT_OK) {
        fprintf(stderr, "authlinkd: %s: not understood, or its value is missing\n\n%s", wrong_word,
                options_usage);
        return APP_EXIT_USAGE;
    }
    switch (options.action) {
    case ACTION_HELP:
        fputs(options_usage, stdout);
        return APP_EXIT_OK;
    case ACTION_VERSION:
        return print_version();
    case ACTION_RUN:
    case ACTION_CHECK_CONFIG:
    case ACTION_DUMP_CONFIG:
        break;
    }
    return act_on_config(&options);
}

int command_line_main(int argc, char **argv)
{
    /* No core file and no look into our memory: both would show keys and links. */
    prctl(PR_SET_DUMPABLE, 0);
    signals_begin();
    int code = act(argc, argv);

    if ((fflush(stdout) != 0 || ferror(stdout) != 0) && code == APP_EXIT_OK) {
        fprintf(stderr, "authlinkd: standard output cannot be written\n");
        code = APP_EXIT_FAILURE;
    }
    return code;
}
