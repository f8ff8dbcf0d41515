/* dns.c - the resolver of the loop. */
#include "queue/dns.h"

#include "base/log.h"

#include <event2/dns.h>
#include <stddef.h>

#define RESOLV_CONF "/etc/resolv.conf"

struct evdns_base *dns_new(struct event_base *base)
{
    /* Flag 0, then the file: with a flag a missing file would leave no base at all. */
    struct evdns_base *dns = evdns_base_new(base, 0);

    if (dns == NULL)
        return NULL;
    if (evdns_base_resolv_conf_parse(dns, DNS_OPTIONS_ALL, RESOLV_CONF) != 0)
        log_warn("dns.unconfigured", log_str("file", RESOLV_CONF),
                 log_str("now", "names in /etc/hosts and addresses still work"));
    return dns;
}

struct evdns_base *dns_free(struct evdns_base *dns)
{
    if (dns != NULL)
        evdns_base_free(dns, 0);
    return NULL;
}
