/*
 * doctor_host.c - the configuration's files, and the way to the API.
 *
 * The API is connected to, TLS included, and nothing is sent: nothing is created there, and no
 * key is needed (CURLOPT_CONNECT_ONLY).
 */
#include "config/places.h"
#include "ctl/doctor.h"

#include <curl/curl.h>
#include <string.h>
#include <sys/stat.h>

#define API_TIMEOUT_SEC 10L

static const char *config_path(const struct ctl *ctl)
{
    return ctl->config_path == NULL ? CTL_DEFAULT_CONFIG : ctl->config_path;
}

static void look_at_config(struct doctor *doctor)
{
    struct stat info;
    const char *path = config_path(doctor->ctl);

    if (stat(path, &info) != 0)
        return;
    bool is_open = (info.st_mode & (S_IWGRP | S_IWOTH)) != 0;
    doctor_find(doctor, is_open ? VERDICT_WARN : VERDICT_OK, "file.config",
                is_open ? "chmod go-w: who writes it may read the secrets that it names" : "",
                "%s%s", path, is_open ? " may be written by others than its owner" : "");
}

static void look_at_secret(struct doctor *doctor, const char *check,
                           const struct secret_places *places, bool is_required)
{
    struct secret *secret = NULL;
    struct buffer messages;

    buffer_init(&messages, CONFIG_MESSAGES_MAX_BYTES);
    enum result result = secret_load(places, &secret, &messages);
    const char *why = buffer_text(&messages);
    int why_len = (int)strcspn(why, "\n");
    if (result == RESULT_OK)
        doctor_find(doctor, VERDICT_OK, check, "", "%s", secret_source(secret));
    else if (result != RESULT_NOT_FOUND)
        doctor_find(doctor, VERDICT_WARN, check,
                    "look as the daemon does: runuser -u authlinkd -- authlinkctl doctor", "%.*s",
                    why_len, why);
    else if (is_required)
        doctor_find(
            doctor, VERDICT_WARN, check,
            "a file that secret_key_file names; or it is a credential that only the unit sees",
            "not found from here");
    secret_free(secret);
    buffer_done(&messages);
}

static CURLcode connect_only(const struct settings *settings, char *error)
{
    CURL *easy = curl_easy_init();

    if (easy == NULL)
        return CURLE_OUT_OF_MEMORY;
    curl_easy_setopt(easy, CURLOPT_URL, settings->conductor.base_url);
    curl_easy_setopt(easy, CURLOPT_CONNECT_ONLY, 1L);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT, API_TIMEOUT_SEC);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PROXY, ""); /* as the daemon connects */
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, error);
    if (settings->conductor.ca_file[0] != '\0') {
        curl_easy_setopt(easy, CURLOPT_CAINFO, settings->conductor.ca_file);
        curl_easy_setopt(easy, CURLOPT_CAPATH, NULL); /* only that file, as the daemon */
    }
    CURLcode code = curl_easy_perform(easy);
    curl_easy_cleanup(easy);
    return code;
}

static void look_at_api(struct doctor *doctor)
{
    const struct settings *settings = &doctor->ctl->settings;
    char error[CURL_ERROR_SIZE] = "";

    CURLcode code = connect_only(settings, error);
    bool is_tls = code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CONNECT_ERROR ||
                  code == CURLE_SSL_CACERT_BADFILE;
    if (code == CURLE_OK)
        doctor_find(doctor, VERDICT_OK, "api.connection", "", "%s", settings->conductor.base_url);
    else
        doctor_find(doctor, VERDICT_FAIL, "api.connection",
                    is_tls ? "the certificate is not trusted: a proxy on the way? conductor.ca_file"
                           : "name, network, firewall; conductor.base_url",
                    "%s: %s", settings->conductor.base_url,
                    error[0] != '\0' ? error : curl_easy_strerror(code));
}

void doctor_look_at_host(struct doctor *doctor)
{
    const struct settings *settings = &doctor->ctl->settings;

    if (doctor->ctl->redis_url != NULL) {
        doctor_find(doctor, VERDICT_WARN, "config", "authlinkctl doctor --config FILE",
                    "--redis: files and API are not looked at");
        return;
    }
    struct secret_places key = places_of_secret_key(settings);
    struct secret_places password = places_of_redis_password(settings);
    look_at_config(doctor);
    look_at_secret(doctor, "file.secret_key", &key, true);
    look_at_secret(doctor, "file.redis_password", &password, false);
    look_at_api(doctor);
}
