/* fault_rules.c - rules of faults from JSON and back. */
#include "faults.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char *const points[] = {"request", "accept", "head", "body", NULL};
static const char *const drops[] = {"none", "close", "rst", "stall", NULL};

/* clang-format off */
#define AT(member)                    offsetof(struct fault, member)
#define TEXT(name, member, help)      {name, FIELD_TEXT, AT(member), 0, 0, NULL, help}
#define FLAG(name, member, help)      {name, FIELD_FLAG, AT(member), 0, 1, NULL, help}
#define COUNT(name, member, help)     {name, FIELD_INT, AT(member), 0, 1e15, NULL, help}
#define MILLIS(name, member, help)    {name, FIELD_INT, AT(member), 0, 86400000, NULL, help}
#define CHOICE(name, member, x, help) {name, FIELD_CHOICE, AT(member), 0, 0, x, help}

const struct field fault_fields[] = {
    TEXT("method", method, "condition: the method"),
    TEXT("path", path, "condition: the path"),
    TEXT("endUserId", end_user_id, "condition: whom it is about"),
    TEXT("endUserPrefix", end_user_prefix, "condition: how the ID of the end user begins"),
    TEXT("key", key, "condition: the secret key sent"),
    COUNT("attempt", attempt, "condition: the end user's request of this number"),
    COUNT("attemptsUpTo", attempts_up_to, "condition: the end user's first so many requests"),
    COUNT("nth", nth, "condition: the request of this number among those that meet the above"),
    COUNT("every", every, "condition: every so many of those"),
    {"probability", FIELD_REAL, AT(probability), 0, 1, NULL, "condition: chance of each of those (1)"},
    COUNT("seed", seed, "of the probability (0)"),
    COUNT("times", times, "then the rule is spent; 0: never (0)"),
    CHOICE("at", at, points, "where a drop happens (request)"),
    CHOICE("drop", drop, drops, "how the connection ends instead of an answer (none)"),
    FLAG("commit", commit, "the session is created and counted, whatever is answered"),
    {"status", FIELD_INT, AT(status), 200, 599, NULL, "of the answer; 0: as the API would (0)"},
    CHOICE("body", body, body_kind_names, "of the answer (auto: real for 2xx, none for 3xx, else the envelope)"),
    TEXT("bodyText", body_text, "body, as it stands"),
    TEXT("contentType", content_type, "Content-Type"),
    TEXT("type", type, "the envelope's type"),
    TEXT("code", code, "the envelope's code"),
    TEXT("message", message, "the envelope's message"),
    TEXT("integrationCode", integration_code, "the envelope's integrationCode"),
    TEXT("linkHost", link_host, "host of the link"),
    {"expiresInSec", FIELD_INT, AT(expires_in_sec), -1e9, 1e9, NULL, "life of the link, may be negative; 0: as asked (0)"},
    MILLIS("delayMs", delay_ms, "before the head (0)"),
    MILLIS("bodyDelayMs", body_delay_ms, "between head and body (0)"),
    COUNT("pieceBytes", piece_bytes, "the body goes out in pieces, or chunks, of this size; 0: whole (0)"),
    MILLIS("pieceDelayMs", piece_delay_ms, "between pieces (0)"),
    COUNT("cutAfterBytes", cut_after_bytes, "so much of the body is sent before a drop at the body (0)"),
    {"padBytes", FIELD_INT, AT(pad_bytes), 0, 64 * 1024 * 1024, NULL, "blanks behind the body (0)"},
    FLAG("chunked", chunked, "in chunks, without Content-Length"),
    FLAG("closeAfter", close_after, "Connection: close, and then it is"),
};
/* clang-format on */

#define FIELD_COUNT (sizeof fault_fields / sizeof fault_fields[0])

const size_t fault_field_count = FIELD_COUNT;

static void free_fault(struct fault *fault)
{
    fields_done(fault_fields, FIELD_COUNT, fault);
    cJSON_Delete(fault->headers);
    cJSON_Delete(fault->set);
    cJSON_Delete(fault->unset);
    free(fault);
}

/* Whether a header may hold this: no line end, which would make it two. */
static bool are_headers(const cJSON *value)
{
    const cJSON *header = NULL;

    if (!cJSON_IsObject(value))
        return false;
    cJSON_ArrayForEach(header, value)
    {
        if (!cJSON_IsNull(header) && !cJSON_IsString(header))
            return false;
        if (strpbrk(header->string, ":\r\n ") != NULL ||
            (cJSON_IsString(header) && strpbrk(header->valuestring, "\r\n") != NULL))
            return false;
    }
    return true;
}

static bool are_strings(const cJSON *value)
{
    const cJSON *item = NULL;

    cJSON_ArrayForEach(item, value)
    {
        if (!cJSON_IsString(item))
            return false;
    }
    return cJSON_IsArray(value);
}

/* The members that are JSON themselves. RESULT_NOT_FOUND: it is none of them. */
static enum result set_tree(struct fault *fault, const cJSON *value, struct buffer *reterr_reason)
{
    const struct {
        const char *name;
        cJSON **target;
        bool fits;
        const char *wanted;
    } trees[] = {
        {"headers", &fault->headers, are_headers(value), "an object of strings and nulls"},
        {"set", &fault->set, cJSON_IsObject(value), "an object"},
        {"unset", &fault->unset, are_strings(value), "an array of strings"},
    };

    for (size_t i = 0; i < sizeof trees / sizeof trees[0]; i++) {
        if (strcmp(trees[i].name, value->string) != 0)
            continue;
        if (!trees[i].fits) {
            buffer_append_format(reterr_reason, "%s: must be %s", trees[i].name, trees[i].wanted);
            return RESULT_INVALID;
        }
        cJSON_Delete(*trees[i].target);
        *trees[i].target = cJSON_Duplicate(value, true);
        return *trees[i].target == NULL ? RESULT_NO_MEMORY : RESULT_OK;
    }
    return RESULT_NOT_FOUND;
}

static enum result read_members(struct fault *fault, const cJSON *rule,
                                struct buffer *reterr_reason)
{
    const cJSON *value = NULL;

    cJSON_ArrayForEach(value, rule)
    {
        const struct field *field = field_find(fault_fields, FIELD_COUNT, value->string);
        enum result result = field != NULL ? field_set_json(field, fault, value, reterr_reason)
                                           : set_tree(fault, value, reterr_reason);
        if (result == RESULT_NOT_FOUND) {
            buffer_append_format(reterr_reason, "%s: a fault has no such member", value->string);
            return RESULT_INVALID;
        }
        if (result != RESULT_OK)
            return result;
    }
    return RESULT_OK;
}

static enum result add_one(struct faults *faults, const cJSON *rule, struct buffer *reterr_reason)
{
    if (!cJSON_IsObject(rule)) {
        buffer_append_str(reterr_reason, "a fault must be an object");
        return RESULT_INVALID;
    }
    struct fault *fault = calloc(1, sizeof *fault);
    if (fault == NULL)
        return RESULT_NO_MEMORY;
    fault->probability = 1.0;

    enum result result = read_members(fault, rule, reterr_reason);
    if (result != RESULT_OK) {
        free_fault(fault);
        return result;
    }
    chance_seed(&fault->chance, (uint64_t)fault->seed);
    if (faults->last == NULL)
        faults->first = fault;
    else
        faults->last->next = fault;
    faults->last = fault;
    return RESULT_OK;
}

enum result faults_add(struct faults *faults, const cJSON *rules, struct buffer *reterr_reason)
{
    const cJSON *rule = NULL;

    if (!cJSON_IsArray(rules))
        return add_one(faults, rules, reterr_reason);
    cJSON_ArrayForEach(rule, rules)
    {
        enum result result = add_one(faults, rule, reterr_reason);
        if (result != RESULT_OK)
            return result;
    }
    return RESULT_OK;
}

void faults_clear(struct faults *faults)
{
    struct fault *next = NULL;

    for (struct fault *fault = faults->first; fault != NULL; fault = next) {
        next = fault->next;
        free_fault(fault);
    }
    *faults = (struct faults){0};
}

static void append_tree(struct buffer *json, const char *name, const cJSON *tree)
{
    char *text = tree == NULL ? NULL : cJSON_PrintUnformatted(tree);

    if (text != NULL)
        buffer_append_format(json, ",\"%s\":%s", name, text);
    cJSON_free(text);
}

void faults_append_json(const struct faults *faults, struct buffer *json)
{
    buffer_append_char(json, '[');
    for (const struct fault *fault = faults->first; fault != NULL; fault = fault->next) {
        buffer_append_format(json, "%s{\"seen\":%" PRId64 ",\"applied\":%" PRId64,
                             fault == faults->first ? "" : ",", fault->seen, fault->applied);
        for (size_t i = 0; i < FIELD_COUNT; i++) {
            buffer_append_format(json, ",\"%s\":", fault_fields[i].name);
            field_append_json(&fault_fields[i], fault, json);
        }
        append_tree(json, "headers", fault->headers);
        append_tree(json, "set", fault->set);
        append_tree(json, "unset", fault->unset);
        buffer_append_char(json, '}');
    }
    buffer_append_char(json, ']');
}
