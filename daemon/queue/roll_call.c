/* roll_call.c - compares the leases in hand with those that Redis lists. */
#include "queue/roll_call.h"

#include "base/text.h"
#include "queue/replies.h"

static void add_stray(struct reap_names *strays, const redisReply *name)
{
    if (strays->count == REAP_NAMES_MAX)
        return;
    text_copy(strays->names[strays->count], sizeof strays->names[0], reply_text(name),
              reply_len(name));
    strays->count++;
}

void roll_call(const struct server *server, struct leases *leases, uint64_t outstanding_seq,
               const redisReply *mine, struct reap_names *strays)
{
    strays->count = 0;
    for (struct lease *lease = leases->first; lease != NULL; lease = lease->next)
        lease->is_listed = false;
    for (size_t i = 0; reply_at(mine, i) != NULL; i += 2) {
        const redisReply *name = reply_at(mine, i);
        bool is_my_boot = false;
        uint64_t seq = 0;
        if (reap_read_name(server, name, &is_my_boot, &seq) != RESULT_OK)
            continue;
        struct lease *lease = is_my_boot ? leases_find(leases, seq) : NULL;
        if (lease != NULL)
            lease->is_listed = true;
        else if (!is_my_boot || seq != outstanding_seq)
            add_stray(strays, name);
    }
}

struct lease *roll_call_next_lost(struct leases *leases)
{
    for (struct lease *lease = leases->first; lease != NULL; lease = lease->next) {
        if (lease->is_listed || lease->is_lost)
            continue;
        lease->is_lost = true;
        return lease;
    }
    return NULL;
}
