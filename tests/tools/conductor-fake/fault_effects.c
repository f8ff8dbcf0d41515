/* fault_effects.c - does to a request what a rule says. */
#include "api.h"

#include "base/clock.h"
#include "body_check.h"

#include <stdio.h>
#include <string.h>

#define TIME_SIZE 40

static enum body_kind body_kind_of(const struct fault *fault)
{
    int hundred = (int)(fault->status / 100);

    if (fault->body != BODY_AUTO)
        return (enum body_kind)fault->body;
    if (fault->body_text != NULL)
        return BODY_EMPTY; /* to be filled with the text */
    if (fault->status == 0 || hundred == 2)
        return BODY_REAL;
    return hundred == 3 ? BODY_EMPTY : BODY_ENVELOPE;
}

static enum ending ending_of(const struct fault *fault)
{
    switch ((enum fault_drop)fault->drop) {
    case FAULT_DROP_NONE:
        return fault->close_after ? ENDING_CLOSES : ENDING_STAYS;
    case FAULT_DROP_CLOSE:
        return ENDING_CLOSES;
    case FAULT_DROP_RST:
        return ENDING_RESETS;
    case FAULT_DROP_STALL:
        return ENDING_STALLS;
    }
    return ENDING_STAYS;
}

/* Puts a text into the place of a string member. */
static void replace_text(cJSON *object, const char *name, const char *text)
{
    cJSON *value = cJSON_CreateString(text);

    if (value != NULL && !cJSON_ReplaceItemInObjectCaseSensitive(object, name, value))
        cJSON_Delete(value);
}

/* The same link on another host. */
static void replace_host(cJSON *session, const char *host)
{
    const cJSON *url = cJSON_GetObjectItemCaseSensitive(session, "authFlowUrl");
    const char *path = cJSON_IsString(url) ? strstr(url->valuestring, "/qbd/") : NULL;
    char text[1024];

    if (path == NULL)
        return;
    snprintf(text, sizeof text, "https://%s%s", host, path);
    replace_text(session, "authFlowUrl", text);
}

static void replace_members(cJSON *object, const struct fault *fault)
{
    const cJSON *value = NULL;

    cJSON_ArrayForEach(value, fault->set)
    {
        cJSON *copy = cJSON_Duplicate(value, true);
        if (copy != NULL && !cJSON_ReplaceItemInObjectCaseSensitive(object, value->string, copy) &&
            !cJSON_AddItemToObject(object, value->string, copy))
            cJSON_Delete(copy);
    }
    cJSON_ArrayForEach(value, fault->unset)
    {
        cJSON_DeleteItemFromObjectCaseSensitive(object, value->valuestring);
    }
}

/* Bends what the API would have answered. */
static void bend(struct fake *fake, struct reply *reply, const struct fault *fault)
{
    if (fault->set == NULL && fault->unset == NULL && fault->link_host == NULL &&
        fault->expires_in_sec == 0)
        return;

    cJSON *object = cJSON_ParseWithLength(buffer_text(&reply->body), reply->body.len);
    if (object == NULL)
        return;
    if (fault->link_host != NULL)
        replace_host(object, fault->link_host);
    if (fault->expires_in_sec != 0) {
        char text[TIME_SIZE];
        body_time(fake_clock_unix_ms(fake) + fault->expires_in_sec * MS_PER_SEC,
                  fake->settings.legacy, text, sizeof text);
        replace_text(object, "expiresAt", text);
    }
    replace_members(object, fault);

    char *text = cJSON_PrintUnformatted(object);
    if (text != NULL) {
        buffer_reset(&reply->body);
        buffer_append_str(&reply->body, text);
    }
    cJSON_free(text);
    cJSON_Delete(object);
}

static void replace_body(struct reply *reply, const struct fault *fault, enum body_kind kind)
{
    int status = fault->status == 0 ? 500 : (int)fault->status;

    switch (kind) {
    case BODY_AUTO:
    case BODY_REAL:
        return;
    case BODY_ENVELOPE:
        reply_set_error(reply, &(struct envelope){
                                   .status = status,
                                   .type = fault->type,
                                   .code = fault->code,
                                   .message = fault->message,
                                   .integration_code = fault->integration_code,
                               });
        return;
    case BODY_HTML:
        reply_set_html(reply, status);
        return;
    case BODY_EMPTY:
        reply_set_empty(reply, fault->status == 0 ? 200 : status);
        return;
    case BODY_BAD_JSON:
        buffer_reset(&reply->body);
        buffer_append_str(&reply->body, "{\"id\":\"auth_sess_cut\",\"objectType\":\"auth_ses");
        reply->status = fault->status == 0 ? 200 : status;
        return;
    }
}

static void finish_body(struct reply *reply, const struct fault *fault)
{
    if (fault->body_text != NULL) {
        buffer_reset(&reply->body);
        buffer_append_str(&reply->body, fault->body_text);
        if (reply->content_type == NULL)
            reply->content_type = "application/json; charset=utf-8";
    }
    for (int64_t left = fault->pad_bytes; left > 0; left -= 64)
        buffer_append(&reply->body,
                      "                                                                ",
                      left < 64 ? (size_t)left : 64);
    if (fault->content_type != NULL)
        reply->content_type = NULL; /* the header comes with the others */
}

/* Headers of the rule; they outlive the rule because they are copied onto the wire at once. */
static void set_headers(struct exchange *exchange, const struct fault *fault)
{
    exchange->form.headers = fault->headers;
    if (fault->content_type != NULL)
        reply_add_header(&exchange->reply, "Content-Type", fault->content_type);
}

void fault_take_effect(struct fake *fake, struct exchange *exchange, const struct fault *fault)
{
    struct delivery *delivery = &exchange->delivery;
    enum body_kind kind = body_kind_of(fault);
    bool is_silent = fault->drop != FAULT_DROP_NONE && fault->at != FAULT_AT_BODY;

    if (fault->commit || (kind == BODY_REAL && !is_silent))
        api_route(fake, exchange);
    if (kind == BODY_REAL) {
        if (fault->status != 0)
            exchange->reply.status = (int)fault->status;
        bend(fake, &exchange->reply, fault);
    } else {
        replace_body(&exchange->reply, fault, kind);
    }
    finish_body(&exchange->reply, fault);
    set_headers(exchange, fault);

    exchange->form.is_chunked = exchange->form.is_chunked || fault->chunked;
    exchange->form.chunk_bytes = (size_t)fault->piece_bytes;
    exchange->form.closes = fault->close_after;
    delivery->delay_us = fault->delay_ms * US_PER_MS;
    delivery->body_delay_us = fault->body_delay_ms * US_PER_MS;
    delivery->piece_bytes = (size_t)fault->piece_bytes;
    delivery->piece_delay_us = fault->piece_delay_ms * US_PER_MS;
    delivery->is_silent = is_silent;
    delivery->ending = ending_of(fault);
    if (fault->drop != FAULT_DROP_NONE && fault->at == FAULT_AT_BODY)
        delivery->cut_after_bytes = (size_t)fault->cut_after_bytes;
}
