/* faults.c - which rule a request meets. */
#include "faults.h"

#include <string.h>

static bool matches(const char *wanted, struct http_text text)
{
    return wanted == NULL || http_text_is(text, wanted);
}

/* The conditions that depend on nothing but the request. */
static bool is_for(const struct fault *fault, const struct fault_subject *subject)
{
    struct http_text rest = {"", 0};

    if (!matches(fault->method, subject->method) || !matches(fault->path, subject->path) ||
        !matches(fault->end_user_id, subject->end_user_id) || !matches(fault->key, subject->key))
        return false;
    if (fault->end_user_prefix != NULL &&
        !http_text_follows(subject->end_user_id, fault->end_user_prefix, &rest))
        return false;
    if (fault->attempt > 0 && subject->attempt != fault->attempt)
        return false;
    return fault->attempts_up_to == 0 ||
           (subject->attempt > 0 && subject->attempt <= fault->attempts_up_to);
}

/* A drop at the body happens to a request like any other, only later. */
static enum fault_point point_of(const struct fault *fault)
{
    if (fault->drop == FAULT_DROP_NONE || fault->at == FAULT_AT_BODY)
        return FAULT_AT_REQUEST;
    return (enum fault_point)fault->at;
}

/* Counts the request, then asks the conditions that depend on the count and on chance. */
static bool has_its_turn(struct fault *fault)
{
    fault->seen++;
    if (fault->nth > 0 && fault->seen != fault->nth)
        return false;
    if (fault->every > 0 && fault->seen % fault->every != 0)
        return false;
    return fault->probability >= 1.0 || chance_unit(&fault->chance) < fault->probability;
}

const struct fault *faults_choose(struct faults *faults, enum fault_point point,
                                  const struct fault_subject *subject)
{
    for (struct fault *fault = faults->first; fault != NULL; fault = fault->next) {
        bool is_spent = fault->times > 0 && fault->applied >= fault->times;
        if (is_spent || point_of(fault) != point || !is_for(fault, subject) || !has_its_turn(fault))
            continue;
        fault->applied++;
        return fault;
    }
    return NULL;
}
