/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Rules that no option can check by itself, and the addresses to listen on.
 *
 * How: one function for each rule; the first that is broken is reported.
 * Invariants: what this build cannot do is refused, never replaced by something weaker.
 * Threads: none of its own.
 * Failures: BAD_ARGUMENT or UNSUPPORTED, with what to do.
 */
#include "server/config.h"

#include "common/err.h"
#include "common/num.h"
#include "server/config_impl.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int parse_port(const char *text, in_port_t *out_port)
{
    int64_t port;
    if (num_parse_int(text, &port) != 0 || port < 0 || port > 65535)
        return ERR_BAD_ARGUMENT;
    *out_port = htons((uint16_t)port);
    return 0;
}

static int parse_unix(const char *path, struct config_address *out_address)
{
    struct sockaddr_un *un = &out_address->un;
    if (strlen(path) >= sizeof(un->sun_path))
        return ERR_BAD_ARGUMENT;
    out_address->kind = CONFIG_ADDRESS_UNIX;
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path, path, strlen(path) + 1);
    return 0;
}

/* `host` ends where the port begins. */
static int parse_tcp(char *host, struct config_address *out_address)
{
    char *colon = strrchr(host, ':');
    if (colon == NULL)
        return ERR_BAD_ARGUMENT;
    *colon = '\0';
    if (host[0] == '[' && colon[-1] == ']') {
        colon[-1] = '\0';
        out_address->kind = CONFIG_ADDRESS_TCP6;
        out_address->tcp6.sin6_family = AF_INET6;
        if (inet_pton(AF_INET6, host + 1, &out_address->tcp6.sin6_addr) != 1)
            return ERR_BAD_ARGUMENT;
        return parse_port(colon + 1, &out_address->tcp6.sin6_port);
    }
    const char *ip = strcmp(host, "localhost") == 0 ? "127.0.0.1" : host;
    out_address->kind = CONFIG_ADDRESS_TCP4;
    out_address->tcp4.sin_family = AF_INET;
    if (inet_pton(AF_INET, ip, &out_address->tcp4.sin_addr) != 1)
        return ERR_BAD_ARGUMENT;
    return parse_port(colon + 1, &out_address->tcp4.sin_port);
}

static int parse_address(const char *text, size_t size, struct config_address *out_address)
{
    struct config_address address;
    char copy[CONFIG_ADDRESS_SIZE];
    memset(&address, 0, sizeof(address));
    if (size >= sizeof(copy))
        return ERR_BAD_ARGUMENT;
    memcpy(copy, text, size);
    copy[size] = '\0';
    memcpy(address.text, copy, size + 1);
    int err = copy[0] == '/' ? parse_unix(copy, &address) : parse_tcp(copy, &address);
    if (err == 0)
        *out_address = address;
    return err;
}

int config_addresses(const struct config *config, enum option_id id,
                     struct config_address out_addresses[static CONFIG_ADDRESSES_MAX],
                     unsigned *out_count, struct err_detail *out_detail)
{
    struct config_address addresses[CONFIG_ADDRESSES_MAX];
    const char *name = config_option(id).name;
    const char *at = config_text(config, id);
    unsigned count = 0;
    bool is_more = *at != '\0';
    while (is_more) {
        at += strspn(at, " ");
        size_t item_size = strcspn(at, ",");
        size_t size = item_size;
        while (size > 0 && at[size - 1] == ' ')
            size--;
        if (count == CONFIG_ADDRESSES_MAX)
            return config_fail(out_detail, ERR_BAD_ARGUMENT, "%s: more than %d addresses", name,
                               CONFIG_ADDRESSES_MAX);
        if (parse_address(at, size, &addresses[count]) != 0)
            return config_fail(out_detail, ERR_BAD_ARGUMENT,
                               "%s: '%.*s' is not an address; write 127.0.0.1:7420, [::1]:7420 or "
                               "/path/to/socket (at most 107 bytes)",
                               name, size > 128 ? 128 : (int)size, at);
        count++;
        is_more = at[item_size] == ',';
        at += item_size + 1;
    }
    memcpy(out_addresses, addresses, count * sizeof(addresses[0]));
    *out_count = count;
    return 0;
}

bool config_address_is_local(const struct config_address *address)
{
    const struct in6_addr *ip6 = &address->tcp6.sin6_addr;
    switch (address->kind) {
    case CONFIG_ADDRESS_TCP4:
        return ntohl(address->tcp4.sin_addr.s_addr) >> 24 == 127;
    case CONFIG_ADDRESS_TCP6:
        return IN6_IS_ADDR_LOOPBACK(ip6) || (IN6_IS_ADDR_V4MAPPED(ip6) && ip6->s6_addr[12] == 127);
    case CONFIG_ADDRESS_UNIX:
        return true;
    }
    return false;
}

const char *config_data_dir(const struct config *config)
{
    const char *given = config_text(config, OPTION_data_dir);
    const char *state = getenv("STATE_DIRECTORY"); /* man systemd.exec */
    bool wanted = config_enum(config, OPTION_durability_mode) != DURABILITY_MEMORY;
    return *given == '\0' && wanted && state != NULL ? state : given;
}

enum durability_mode config_durability(const struct config *config)
{
    enum durability_mode mode = config_enum(config, OPTION_durability_mode);
    if (mode != DURABILITY_AUTO)
        return mode;
    return *config_data_dir(config) == '\0' ? DURABILITY_MEMORY : DURABILITY_BUFFERED;
}

static int check_durability(const struct config *config, struct err_detail *out_detail)
{
    bool logs = config_durability(config) != DURABILITY_MEMORY;
    bool has_dir = *config_data_dir(config) != '\0';
    if (logs && !has_dir)
        return config_fail(out_detail, ERR_BAD_ARGUMENT,
                           "durability.mode: buffered and strict keep a log; say where with "
                           "data.dir, for example /var/lib/cairnd");
    if (!logs && has_dir)
        return config_fail(out_detail, ERR_BAD_ARGUMENT,
                           "data.dir: durability.mode: memory keeps nothing there; set "
                           "durability.mode: auto, buffered or strict, or leave data.dir empty");
    return 0;
}

static int check_memory(const struct config *config, struct err_detail *out_detail)
{
    if (config_enum(config, OPTION_memory_policy) != MEMORY_POLICY_EVICT)
        return 0;
    if (config_durability(config) != DURABILITY_MEMORY)
        return config_fail(out_detail, ERR_BAD_ARGUMENT,
                           "memory.policy: evict deletes records, which durability.mode promises "
                           "to keep; set memory.policy: refuse or durability.mode: memory");
    if (config_int(config, OPTION_memory_limit) == 0)
        return config_fail(out_detail, ERR_BAD_ARGUMENT,
                           "memory.policy: evict makes room below a limit; set memory.limit, for "
                           "example 1GiB, or memory.policy: refuse");
    return 0;
}

static int check_listen_http(const struct config *config, struct err_detail *out_detail)
{
    struct config_address addresses[CONFIG_ADDRESSES_MAX];
    unsigned count;
    return config_addresses(config, OPTION_listen_http, addresses, &count, out_detail);
}

/* The addresses of one protocol. Those that other machines can reach need a login. */
static int check_listen(const struct config *config, enum option_id id,
                        struct err_detail *out_detail)
{
    struct config_address addresses[CONFIG_ADDRESSES_MAX];
    unsigned count;
    int err = config_addresses(config, id, addresses, &count, out_detail);
    if (err != 0 || *config_text(config, OPTION_auth_file) != '\0')
        return err;
    for (unsigned i = 0; i < count; i++) {
        if (!config_address_is_local(&addresses[i]))
            return config_fail(out_detail, ERR_BAD_ARGUMENT,
                               "%s: %s can be reached from other machines, and without "
                               "auth.file whoever reaches it may read and change everything; set "
                               "auth.file, or listen on 127.0.0.1, [::1] or a Unix socket",
                               config_option(id).name, addresses[i].text);
    }
    return 0;
}

int config_check(const struct config *config, struct err_detail *out_detail)
{
    int err = check_durability(config, out_detail);
    if (err == 0)
        err = check_memory(config, out_detail);
    if (err == 0)
        err = check_listen(config, OPTION_listen_rpc, out_detail);
    if (err == 0)
        err = check_listen(config, OPTION_listen_resp, out_detail);
    if (err == 0)
        err = check_listen_http(config, out_detail);
    return err;
}
