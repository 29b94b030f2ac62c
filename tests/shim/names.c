/* Makes one host name change its address with each lookup, as the owner of a name can: REBIND_HOST is NAME, and its addresses are those of
 * REBIND_TO, ADDRESS,ADDRESS,…, in turn. Preloaded (LD_PRELOAD) into the program. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static atomic_uint lookups;

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **found)
{
    static int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    const char *name = getenv("REBIND_HOST"), *to = getenv("REBIND_TO");
    char list[256], *addresses[16], *rest = list, *one;
    unsigned count = 0;
    if (!real)
        real = (int (*)(const char *, const char *, const struct addrinfo *, struct addrinfo **))dlsym(RTLD_NEXT, "getaddrinfo");
    if (!node || !name || !to || strcmp(node, name) != 0 || strlen(to) >= sizeof list)
        return real(node, service, hints, found);
    strcpy(list, to);
    while (count < 16 && (one = strsep(&rest, ",")))
        addresses[count++] = one;
    return real(addresses[atomic_fetch_add(&lookups, 1) % count], service, hints, found);
}
