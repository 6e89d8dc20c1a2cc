/* SPDX-License-Identifier: BSD-3-Clause
 *
 * From addresses and inherited sockets to something that accepts.
 *
 *   listen.* -> listener_bind ----.
 *                                 +-> descriptor -> listener or HTTP (a row of the table)
 *   activation_take (by name) ----'
 *
 * Sockets that the service manager has opened for a protocol stand in for all addresses of its
 * option, so that what listens is said in one place. Files of their Unix sockets are not ours.
 *
 * Invariants: what other machines can reach has a login, or tells nothing that needs one.
 * Threads: the main thread.
 * Failures: the first address that cannot be had ends the start, with a sentence in the log.
 */
#include "server/listen.h"

#include "common/log.h"
#include "server/net/front.h"
#include "server/server.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

struct listen_protocol {
    const char *name; /* in the log, and of sockets of the service manager */
    enum option_id option;
    bool has_login;
    const struct front *front; /* of the loops; NULL: HTTP, which has threads of its own */
};

/* HTTP first, so that it can tell that we are starting. */
static const struct listen_protocol listen_protocols[] = {
    {"http", OPTION_listen_http, false, NULL},
    {"rpc", OPTION_listen_rpc, true, &front_rpc},
    {"resp", OPTION_listen_resp, true, &front_resp},
};

/* Accept on the socket; takes it over, also on failure. path: of a Unix socket to remove at the
 * end, else "". 0 or a negative enum err. */
static int listen_accept(struct server *server, const struct listen_protocol *protocol, int fd,
                         const char *path)
{
    if (protocol->front == NULL) {
        int err = http_start(server, fd, path, &server->https[server->n_https]);
        server->n_https += err == 0;
        return err;
    }
    int err = listener_start(&server->group, protocol->front, fd, path,
                             &server->listeners[server->n_listeners]);
    server->n_listeners += err == 0;
    return err;
}

/* Where the socket is, with the port that it got if any would do. */
static struct config_address listen_find_address(int fd)
{
    struct config_address address = {.kind = CONFIG_ADDRESS_UNIX};
    socklen_t size = sizeof address.un;
    (void)getsockname(fd, &address.sa, &size);
    if (address.sa.sa_family == AF_INET)
        address.kind = CONFIG_ADDRESS_TCP4;
    else if (address.sa.sa_family == AF_INET6)
        address.kind = CONFIG_ADDRESS_TCP6;
    listener_name(fd, address.text);
    return address;
}

/* May the socket be used, if others can reach it? Addresses of the configuration have passed
 * config_check. */
static int listen_check(const struct server *server, const struct listen_protocol *protocol,
                        const struct config_address *address)
{
    if (config_address_is_local(address) || (protocol->has_login && server->auth != NULL))
        return 0;
    if (!protocol->has_login) {
        log_warn("server",
                 "listen.%s: %s can be reached from other machines, and there is no login: "
                 "whoever reaches it may read the metrics",
                 protocol->name, address->text);
        return 0;
    }
    log_error("server",
              "%s (%s) can be reached from other machines, and without auth.file whoever reaches "
              "it may read and change everything; set auth.file, or ListenStream= in the socket "
              "unit to a path or to an address like 127.0.0.1:7420",
              address->text, protocol->name);
    return EX_CONFIG;
}

/* Note it for STATUS= of the service manager. */
static void listen_note(struct server *server, const char *address, const char *protocol)
{
    size_t size = strlen(server->serving);
    (void)snprintf(server->serving + size, sizeof server->serving - size, "%s%s (%s)",
                   size == 0 ? "" : ", ", address, protocol);
}

/* Takes over the socket. */
static int listen_use(struct server *server, const struct listen_protocol *protocol, int fd,
                      const char *path, const char *how)
{
    struct config_address address = listen_find_address(fd);
    int status = listen_check(server, protocol, &address);
    if (status != 0) {
        close(fd);
        return status;
    }
    if (listen_accept(server, protocol, fd, path) != 0) {
        log_error("server", "%s (%s) could not be started", address.text, protocol->name);
        return EX_OSERR;
    }
    log_notice("server", "listening on %s (%s)%s", address.text, protocol->name, how);
    listen_note(server, address.text, protocol->name);
    return 0;
}

static socklen_t listen_address_size(const struct config_address *address)
{
    switch (address->kind) {
    case CONFIG_ADDRESS_TCP4:
        return sizeof address->tcp4;
    case CONFIG_ADDRESS_TCP6:
        return sizeof address->tcp6;
    case CONFIG_ADDRESS_UNIX:
        return sizeof address->un;
    }
    return 0;
}

static int listen_bind(struct server *server, const struct listen_protocol *protocol,
                       const struct config_address *address)
{
    unsigned mode = (unsigned)config_int(server->config, OPTION_listen_unix_mode);
    int fd = listener_bind(&address->sa, listen_address_size(address), mode);
    if (fd < 0) {
        log_error("server", "cannot listen on %s: %s", address->text, strerror(errno));
        return EX_UNAVAILABLE;
    }
    const char *path = address->kind == CONFIG_ADDRESS_UNIX ? address->un.sun_path : "";
    return listen_use(server, protocol, fd, path, "");
}

static int listen_start_protocol(struct server *server, const struct listen_protocol *protocol)
{
    struct config_address addresses[CONFIG_ADDRESSES_MAX];
    struct err_detail detail;
    int fds[ACTIVATION_MAX], status = 0;
    unsigned n = 0;
    unsigned n_fds = activation_take(&server->activation, protocol->name, fds, LENGTH_OF(fds));
    for (unsigned i = 0; i < n_fds && status == 0; i++)
        status = listen_use(server, protocol, fds[i], "", ", inherited");
    if (n_fds > 0)
        return status;
    if (config_addresses(server->config, protocol->option, addresses, &n, &detail) != 0) {
        log_error("server", "%s", detail.text);
        return EX_CONFIG;
    }
    for (unsigned i = 0; i < n && status == 0; i++)
        status = listen_bind(server, protocol, &addresses[i]);
    return status;
}

int listen_start(struct server *server)
{
    struct err_detail detail;
    int status = 0;
    for (size_t i = 0; i < LENGTH_OF(listen_protocols) && status == 0; i++)
        status = listen_start_protocol(server, &listen_protocols[i]);
    if (status != 0 || activation_check(&server->activation, &detail) == 0)
        return status;
    log_error("server", "%s", detail.text);
    return EX_CONFIG;
}
