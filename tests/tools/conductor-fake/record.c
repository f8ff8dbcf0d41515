/* record.c - every request that came. */
#include "record.h"

#include "base/text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static void free_request(void *item)
{
    struct recorded_request *recorded = item;

    free(recorded->answer);
    free(recorded);
}

void record_init(struct ring *record, size_t max)
{
    ring_init(record, max, free_request);
}

uint64_t record_add(struct ring *record, const struct http_request *request, const char *head,
                    struct http_text user_id)
{
    size_t body_len =
        request->body.len > RECORD_BODY_MAX_BYTES ? RECORD_BODY_MAX_BYTES : request->body.len;
    size_t size = request->head_len + body_len + user_id.len;
    struct recorded_request *recorded = malloc(sizeof *recorded + size);

    if (recorded == NULL)
        return 0;
    *recorded = (struct recorded_request){
        .head_len = request->head_len,
        .body_len = body_len,
        .body_bytes = request->body.len,
        .user_id_len = user_id.len,
    };
    memcpy(recorded->bytes, head, request->head_len);
    if (body_len > 0)
        memcpy(recorded->bytes + request->head_len, request->body.data, body_len);
    if (user_id.len > 0)
        memcpy(recorded->bytes + request->head_len + body_len, user_id.data, user_id.len);
    if (ring_push(record, recorded) != RESULT_OK) {
        free_request(recorded);
        return 0;
    }
    return record->next_number - 1;
}

/* Bytes that are not UTF-8 cannot stand in JSON: each byte over 0x7f then becomes U+0080 to U+00FF.
 */
static void append_string(struct buffer *json, const char *text, size_t len)
{
    size_t plain = 0;
    struct buffer latin;

    if (text_is_utf8(text, len)) {
        buffer_append_json_string(json, text, len);
        return;
    }
    buffer_init(&latin, 2 * len);
    for (size_t i = 0; i < len; i++) {
        unsigned char byte = (unsigned char)text[i];
        if (byte < 0x80)
            continue;
        buffer_append(&latin, text + plain, i - plain);
        buffer_append_char(&latin, (char)(0xc0 | byte >> 6));
        buffer_append_char(&latin, (char)(0x80 | (byte & 0x3f)));
        plain = i + 1;
    }
    buffer_append(&latin, text + plain, len - plain);
    buffer_append_json_string(json, buffer_text(&latin), latin.len);
    buffer_done(&latin);
}

static void append_head(struct buffer *json, const struct recorded_request *recorded)
{
    struct http_request request;
    int status = 0;

    if (http_head_read(recorded->bytes, recorded->head_len, &request, &status) != RESULT_OK)
        return; /* it was read once, so this cannot be */
    buffer_append_str(json, ",\"method\":");
    append_string(json, request.method.data, request.method.len);
    buffer_append_str(json, ",\"path\":");
    append_string(json, request.target.data, request.target.len);
    buffer_append_str(json, ",\"headers\":[");
    for (size_t i = 0; i < request.header_count; i++) {
        buffer_append_str(json, i == 0 ? "[" : ",[");
        append_string(json, request.headers[i].name.data, request.headers[i].name.len);
        buffer_append_char(json, ',');
        append_string(json, request.headers[i].value.data, request.headers[i].value.len);
        buffer_append_char(json, ']');
    }
    buffer_append_char(json, ']');
}

static const char *fate_name(enum fate fate)
{
    static const char *const names[] = {
        [FATE_PENDING] = "pending", [FATE_ANSWERED] = "answered", [FATE_CUT] = "cut",
        [FATE_DROPPED] = "dropped", [FATE_LEFT] = "left",
    };

    return names[fate];
}

static void append_request(struct buffer *json, uint64_t number,
                           const struct recorded_request *recorded)
{
    const char *body = recorded->bytes + recorded->head_len;

    buffer_append_format(json,
                         "{\"number\":%" PRIu64 ",\"arrivedUs\":%" PRId64 ",\"answeredUs\":%" PRId64
                         ",\"delayUs\":%" PRId64 ",\"connection\":%" PRIu64
                         ",\"status\":%d,\"created\":%s,\"fate\":\"%s\",\"bodyBytes\":%zu",
                         number, recorded->arrived_us, recorded->answered_us, recorded->delay_us,
                         recorded->connection, recorded->status,
                         recorded->created ? "true" : "false", fate_name(recorded->fate),
                         recorded->body_bytes);
    append_head(json, recorded);
    buffer_append_str(json, ",\"body\":");
    append_string(json, body, recorded->body_len);
    if (recorded->user_id_len > 0) {
        buffer_append_str(json, ",\"endUserId\":");
        append_string(json, body + recorded->body_len, recorded->user_id_len);
    }
    if (recorded->answer != NULL) {
        buffer_append_str(json, ",\"answerBody\":");
        append_string(json, recorded->answer, recorded->answer_len);
    }
    buffer_append_char(json, '}');
}

void record_append_json(const struct ring *record, uint64_t since, uint64_t limit,
                        struct buffer *json)
{
    uint64_t oldest = ring_oldest(record);
    const struct recorded_request *recorded = NULL;

    if (since < oldest)
        since = oldest;
    buffer_append_char(json, '[');
    for (uint64_t i = 0; i < limit && (recorded = ring_get(record, since + i)) != NULL; i++) {
        if (i > 0)
            buffer_append_char(json, ',');
        append_request(json, since + i, recorded);
    }
    buffer_append_char(json, ']');
}
