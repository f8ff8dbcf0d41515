/* support_config.c - a configuration file of a test's own. */
#include "support_config.h"

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

char config_folder[64];
char config_path[128];
char config_password_path[128];
struct buffer config_messages;

void config_write_bytes(const char *text, size_t len)
{
    unlink(config_path); /* the one of the test before may have had another mode */

    int fd = open(config_path, O_WRONLY | O_CREAT | O_EXCL, 0644);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text, len), (ssize_t)len);
    close(fd);
}

void config_set_up(void)
{
    snprintf(config_folder, sizeof config_folder, "%s", "/tmp/authlinkd-config-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(config_folder));
    snprintf(config_path, sizeof config_path, "%s/a.conf", config_folder);
    snprintf(config_password_path, sizeof config_password_path, "%s/password", config_folder);
    buffer_init(&config_messages, CONFIG_MESSAGES_MAX_BYTES);
    unsetenv("CREDENTIALS_DIRECTORY");
    setenv("CONDUCTOR_SECRET_KEY", "sk_test", 1);
}

void config_tear_down(void)
{
    unlink(config_path);
    unlink(config_password_path);
    rmdir(config_folder);
    buffer_done(&config_messages);
}

enum result config_load_text(const char *text, struct settings *settings)
{
    memset(settings, 0, sizeof *settings);
    buffer_reset(&config_messages);
    config_write_bytes(text, strlen(text));
    return config_load(config_path, settings, &config_messages);
}

enum result config_load_more(const char *text, struct settings *settings)
{
    char all[8192];

    ck_assert_int_lt(snprintf(all, sizeof all, MINIMAL "%s", text), (int)sizeof all);
    return config_load_text(all, settings);
}
