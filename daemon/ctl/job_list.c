/* job_list.c - the jobs of one enqueue, checked, as they will be pushed. */
#include "ctl/job_list.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* What a refused job leaves in a sentence is bounded; what is composed is checked by job_check().
 */
#define COMPOSED_MAX_BYTES (8 * JOB_PAYLOAD_MAX_BYTES)

void job_list_init(struct job_list *list)
{
    buffer_init(&list->bytes, JOB_LIST_MAX_BYTES);
    list->count = 0;
}

void job_list_done(struct job_list *list)
{
    buffer_done(&list->bytes);
    list->count = 0;
}

static bool is_object(const char *text, size_t len)
{
    size_t at = 0;

    while (at < len && (text[at] == ' ' || text[at] == '\t'))
        at++;
    return at < len && text[at] == '{';
}

static bool has_options(const struct job_defaults *defaults)
{
    return defaults->link_expiry_mins > 0 || defaults->redirect_url != NULL ||
           defaults->ref != NULL || defaults->force;
}

static void append_member(struct buffer *object, const char *name, const char *text, size_t len)
{
    buffer_append_format(object, ",\"%s\":", name);
    buffer_append_json_string(object, text, len);
}

static void compose(struct buffer *object, const char *id, size_t id_len, const char *ref,
                    size_t ref_len, const struct job_defaults *defaults)
{
    buffer_append_str(object, "{\"endUserId\":");
    buffer_append_json_string(object, id, id_len);
    if (ref_len > 0)
        append_member(object, "ref", ref, ref_len);
    else if (defaults->ref != NULL)
        append_member(object, "ref", defaults->ref, strlen(defaults->ref));
    if (defaults->redirect_url != NULL)
        append_member(object, "redirectUrl", defaults->redirect_url,
                      strlen(defaults->redirect_url));
    if (defaults->link_expiry_mins > 0)
        buffer_append_format(object, ",\"linkExpiryMins\":%" PRId64, defaults->link_expiry_mins);
    if (defaults->force)
        buffer_append_str(object, ",\"force\":true");
    buffer_append_format(object, ",\"enqueuedAtMs\":%" PRId64 "}", defaults->enqueued_at_unix_ms);
}

static enum result append(struct job_list *list, const char *payload, size_t len)
{
    uint32_t length = (uint32_t)len; /* checked: JOB_PAYLOAD_MAX_BYTES at most */

    enum result result = buffer_append(&list->bytes, &length, sizeof length);
    if (result == RESULT_OK)
        result = buffer_append(&list->bytes, payload, len);
    if (result == RESULT_OK)
        list->count++;
    return result;
}

enum result job_list_add(struct job_list *list, const char *text, size_t len, const char *ref,
                         size_t ref_len, const struct job_defaults *defaults,
                         const struct job_rules *rules, struct job_refusal *reterr_refusal)
{
    struct job_request request;
    struct buffer object;

    if (is_object(text, len) && has_options(defaults)) {
        reterr_refusal->reason = JOB_BAD_MEMBER;
        snprintf(reterr_refusal->detail, sizeof reterr_refusal->detail,
                 "a job in JSON says its options itself: --ref, --redirect-url, "
                 "--link-expiry-mins and --force are for IDs");
        return RESULT_INVALID;
    }
    if (is_object(text, len)) {
        enum result result = job_check(text, len, rules, &request, reterr_refusal);
        return result == RESULT_OK ? append(list, text, len) : result;
    }
    /* The ID alone first: its refusal speaks of what the person wrote. */
    enum result result = job_check(text, len, rules, &request, reterr_refusal);
    if (result != RESULT_OK)
        return result;
    buffer_init(&object, COMPOSED_MAX_BYTES);
    compose(&object, text, len, ref, ref_len, defaults);
    result = object.failed ? RESULT_NO_MEMORY
                           : job_check(object.data, object.len, rules, &request, reterr_refusal);
    if (result == RESULT_OK)
        result = append(list, object.data, object.len);
    buffer_done(&object);
    return result;
}

bool job_list_next(const struct job_list *list, size_t *at, const char **ret_payload,
                   size_t *ret_len)
{
    uint32_t length;

    if (*at >= list->bytes.len)
        return false;
    memcpy(&length, list->bytes.data + *at, sizeof length);
    *ret_payload = list->bytes.data + *at + sizeof length;
    *ret_len = length;
    *at += sizeof length + length;
    return true;
}
