/* control_lists.c - keys come and go, end users change their state. */
#include "control_lists.h"

#include <string.h>

/* Does the one thing that a list is for to one of its items. */
typedef enum result change(struct fake *fake, const cJSON *item);

struct list {
    const char *name;
    change *apply;
};

static enum result add_key(struct fake *fake, const cJSON *item)
{
    const cJSON *secret = cJSON_GetObjectItemCaseSensitive(item, "secretKey");
    const cJSON *publishable = cJSON_GetObjectItemCaseSensitive(item, "publishableKey");

    if (!cJSON_IsString(secret) || !cJSON_IsString(publishable))
        return RESULT_INVALID;
    return keys_add(&fake->keys, secret->valuestring, publishable->valuestring);
}

static enum result revoke_key(struct fake *fake, const cJSON *item)
{
    return cJSON_IsString(item) ? keys_revoke(&fake->keys, item->valuestring) : RESULT_INVALID;
}

static struct user *user_of(struct fake *fake, const cJSON *item)
{
    return cJSON_IsString(item)
               ? users_touch(&fake->users, item->valuestring, strlen(item->valuestring))
               : NULL;
}

static enum result set_known(struct fake *fake, const cJSON *item)
{
    struct user *user = user_of(fake, item);

    if (user == NULL)
        return RESULT_INVALID;
    user->is_known = true;
    user->is_missing = false;
    return RESULT_OK;
}

static enum result set_missing(struct fake *fake, const cJSON *item)
{
    struct user *user = user_of(fake, item);

    if (user == NULL)
        return RESULT_INVALID;
    users_delete(&fake->users, user);
    return RESULT_OK;
}

static enum result set_connection(struct fake *fake, const cJSON *item,
                                  enum user_connection connection, bool is_pc_off)
{
    struct user *user = user_of(fake, item);

    if (user == NULL)
        return RESULT_INVALID;
    user->connection = connection;
    user->is_pc_off = is_pc_off;
    return RESULT_OK;
}

static enum result set_not_started(struct fake *fake, const cJSON *item)
{
    return set_connection(fake, item, USER_NOT_STARTED, false);
}

static enum result set_started(struct fake *fake, const cJSON *item)
{
    return set_connection(fake, item, USER_STARTED, false);
}

static enum result set_connected(struct fake *fake, const cJSON *item)
{
    return set_connection(fake, item, USER_CONNECTED, false);
}

static enum result set_pc_off(struct fake *fake, const cJSON *item)
{
    return set_connection(fake, item, USER_CONNECTED, true);
}

static const struct list key_lists[] = {
    {"add", add_key},
    {"revoke", revoke_key},
    {NULL, NULL},
};

static const struct list user_lists[] = {
    {"known", set_known},
    {"missing", set_missing},
    {"notStarted", set_not_started},
    {"started", set_started},
    {"connected", set_connected},
    {"pcOff", set_pc_off},
    {NULL, NULL},
};

static enum result change_all(struct fake *fake, const struct list *list, const cJSON *items,
                              struct buffer *reterr_reason)
{
    const cJSON *item = NULL;
    int number = 0;

    if (!cJSON_IsArray(items)) {
        buffer_append_format(reterr_reason, "%s: must be an array", items->string);
        return RESULT_INVALID;
    }
    cJSON_ArrayForEach(item, items)
    {
        enum result result = list->apply(fake, item);
        if (result != RESULT_OK) {
            buffer_append_format(reterr_reason, "%s[%d]: %s", list->name, number,
                                 result_text(result));
            return RESULT_INVALID;
        }
        number++;
    }
    return RESULT_OK;
}

static enum result change_lists(struct fake *fake, const struct list *known, const cJSON *lists,
                                struct buffer *reterr_reason)
{
    const cJSON *items = NULL;

    if (!cJSON_IsObject(lists)) {
        buffer_append_str(reterr_reason, "an object of arrays is expected");
        return RESULT_INVALID;
    }
    cJSON_ArrayForEach(items, lists)
    {
        const struct list *list = known;
        while (list->name != NULL && strcmp(list->name, items->string) != 0)
            list++;
        if (list->name == NULL) {
            buffer_append_format(reterr_reason, "%s: no such list", items->string);
            return RESULT_INVALID;
        }
        enum result result = change_all(fake, list, items, reterr_reason);
        if (result != RESULT_OK)
            return result;
    }
    return RESULT_OK;
}

enum result control_change_keys(struct fake *fake, const cJSON *lists, struct buffer *reterr_reason)
{
    return change_lists(fake, key_lists, lists, reterr_reason);
}

enum result control_change_users(struct fake *fake, const cJSON *lists,
                                 struct buffer *reterr_reason)
{
    return change_lists(fake, user_lists, lists, reterr_reason);
}
