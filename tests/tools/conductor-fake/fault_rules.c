/* fault_rules.c - rules of faults from JSON and back. */
#include "faults.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char *const points[] = {"request", "accept", "head", "body", NULL};
static const char *const drops[] = {"none", "close", "rst", "stall", NULL};

#define AT(member) offsetof(struct fault, member)
#define TEXT(name, member)                                                                         \
    {                                                                                              \
        name, FIELD_TEXT, AT(member), 0, 0, NULL, NULL                                             \
    }
#define FLAG(name, member)                                                                         \
    {                                                                                              \
        name, FIELD_FLAG, AT(member), 0, 1, NULL, NULL                                             \
    }
#define COUNT(name, member)                                                                        \
    {                                                                                              \
        name, FIELD_INT, AT(member), 0, 1e15, NULL, NULL                                           \
    }
#define MILLIS(name, member)                                                                       \
    {                                                                                              \
        name, FIELD_INT, AT(member), 0, 86400000, NULL, NULL                                       \
    }
#define CHOICE(name, member, x)                                                                    \
    {                                                                                              \
        name, FIELD_CHOICE, AT(member), 0, 0, x, NULL                                              \
    }

/* clang-format off */
static const struct field fields[] = {
    TEXT("method", method),
    TEXT("path", path),
    TEXT("endUserId", end_user_id),
    TEXT("endUserPrefix", end_user_prefix),
    TEXT("key", key),
    COUNT("attempt", attempt),
    COUNT("attemptsUpTo", attempts_up_to),
    COUNT("nth", nth),
    COUNT("every", every),
    {"probability", FIELD_REAL, AT(probability), 0, 1, NULL, NULL},
    COUNT("seed", seed),
    COUNT("times", times),
    CHOICE("at", at, points),
    CHOICE("drop", drop, drops),
    FLAG("commit", commit),
    {"status", FIELD_INT, AT(status), 200, 599, NULL, NULL},
    CHOICE("body", body, body_kind_names),
    TEXT("bodyText", body_text),
    TEXT("contentType", content_type),
    TEXT("type", type),
    TEXT("code", code),
    TEXT("message", message),
    TEXT("integrationCode", integration_code),
    TEXT("linkHost", link_host),
    {"expiresInSec", FIELD_INT, AT(expires_in_sec), -1e9, 1e9, NULL, NULL},
    MILLIS("delayMs", delay_ms),
    MILLIS("bodyDelayMs", body_delay_ms),
    COUNT("pieceBytes", piece_bytes),
    MILLIS("pieceDelayMs", piece_delay_ms),
    COUNT("cutAfterBytes", cut_after_bytes),
    {"padBytes", FIELD_INT, AT(pad_bytes), 0, 64 * 1024 * 1024, NULL, NULL},
    FLAG("chunked", chunked),
    FLAG("closeAfter", close_after),
};
/* clang-format on */

#define FIELD_COUNT (sizeof fields / sizeof fields[0])

static void free_fault(struct fault *fault)
{
    fields_done(fields, FIELD_COUNT, fault);
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
        const struct field *field = field_find(fields, FIELD_COUNT, value->string);
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
            buffer_append_format(json, ",\"%s\":", fields[i].name);
            field_append_json(&fields[i], fault, json);
        }
        append_tree(json, "headers", fault->headers);
        append_tree(json, "set", fault->set);
        append_tree(json, "unset", fault->unset);
        buffer_append_char(json, '}');
    }
    buffer_append_char(json, ']');
}
