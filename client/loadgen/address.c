/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Addresses of servers.
 *
 * How: the scheme names the protocol; what is before the last @ of the authority is a login, and
 * what follows the slash the database or run, or the path of a socket.
 *
 * Invariants: every text is copied whole or refused.
 * Threads: none. Failures: ERR_BAD_ARGUMENT and a sentence.
 */
#include "client/loadgen/address.h"

#include "common/err.h"
#include "common/num.h"

#include <inttypes.h>
#include <stdio.h>

struct address_scheme {
    const char *prefix;
    const struct driver *driver; /* NULL: not told */
    bool is_path;
};

static const struct address_scheme address_schemes[] = {
    {"redis://", &driver_resp2, false},
    {"valkey://", &driver_resp2, false},
    {"cairn://", &driver_msgpack, false},
    {"redis+unix://", &driver_resp2, true},
    {"cairn+unix://", &driver_msgpack, true},
    {"unix://", NULL, true},
    {"unix:", NULL, true},
};

static int address_wrong(char *out_detail, const char *text)
{
    (void)snprintf(out_detail, ADDRESS_DETAIL_SIZE, "%s", text);
    return ERR_BAD_ARGUMENT;
}

static int address_hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Copy text[0..n) with %XX decoded. 0 or ERR_BAD_ARGUMENT: too long, or a malformed %XX. */
static int address_copy(char *to, size_t room, const char *text, size_t n)
{
    size_t size = 0;
    for (size_t i = 0; i < n; i++) {
        char c = text[i];
        if (c == '%') {
            int high = i + 2 < n ? address_hex(text[i + 1]) : -1;
            int low = high < 0 ? -1 : address_hex(text[i + 2]);
            if (low < 0 || (high | low) == 0)
                return ERR_BAD_ARGUMENT;
            c = (char)(high << 4 | low);
            i += 2;
        }
        if (size + 1 >= room)
            return ERR_BAD_ARGUMENT;
        to[size++] = c;
    }
    to[size] = 0;
    return 0;
}

/* token   or   user:password   or   :password */
static int address_login_part(struct address *out, const char *text, size_t n, char *out_detail)
{
    const char *colon = memchr(text, ':', n);
    int err;
    if (colon == NULL && out->driver == &driver_resp2)
        return address_wrong(out_detail, "write the login as redis://user:password@host or "
                                         "redis://:password@host");
    if (colon == NULL || out->driver == &driver_msgpack) {
        err = address_copy(out->password, sizeof out->password, text, n);
    } else {
        err = address_copy(out->user, sizeof out->user, text, (size_t)(colon - text));
        if (err == 0)
            err = address_copy(out->password, sizeof out->password, colon + 1,
                               n - (size_t)(colon + 1 - text));
    }
    return err == 0 ? 0
                    : address_wrong(out_detail, "the login in the address is too long, or a % "
                                                "in it is not followed by two hexadecimal "
                                                "digits");
}

static int address_port(const char *text, size_t n, int *out, char *out_detail)
{
    int64_t port;
    if (!num_read_int((struct bytes){(const uint8_t *)text, n}, &port) || port < 1 || port > 65535)
        return address_wrong(out_detail, "the port must be a number from 1 to 65535");
    *out = (int)port;
    return 0;
}

/* host   host:port   [v6]   [v6]:port */
static int address_host(struct address *out, const char *text, size_t n, char *out_detail)
{
    const char *end = text + n, *host = text, *host_end = end, *port = NULL;
    const char *colon = memchr(text, ':', n);
    if (n > 0 && text[0] == '[') {
        host_end = memchr(text, ']', n);
        if (host_end == NULL || (host_end + 1 < end && host_end[1] != ':'))
            return address_wrong(out_detail, "write IPv6 addresses as [::1]:7420");
        host++;
        port = host_end + 1 < end ? host_end + 2 : NULL;
    } else if (colon != NULL && memchr(colon + 1, ':', (size_t)(end - colon - 1)) == NULL) {
        host_end = colon;
        port = colon + 1;
    }
    if (host < host_end &&
        address_copy(out->host, sizeof out->host, host, (size_t)(host_end - host)) != 0)
        return address_wrong(out_detail, "the host in the address is too long");
    return port == NULL ? 0 : address_port(port, (size_t)(end - port), &out->port, out_detail);
}

static int address_path(struct address *out, const char *text, char *out_detail)
{
    if (text[0] == 0 || address_copy(out->path, sizeof out->path, text, strlen(text)) != 0)
        return address_wrong(out_detail, "the path of the socket must have 1 to 107 bytes");
    return 0;
}

/* What follows the scheme. */
static int address_rest(struct address *out, const char *text, bool is_path, char *out_detail)
{
    size_t authority = strcspn(text, "/");
    const char *at = memrchr(text, '@', authority);
    int err = 0;
    if (at != NULL) {
        err = address_login_part(out, text, (size_t)(at - text), out_detail);
        authority -= (size_t)(at + 1 - text);
        text = at + 1;
    }
    if (err != 0 || is_path)
        return err != 0 ? err : address_path(out, text, out_detail);
    err = address_host(out, text, authority, out_detail);
    text += authority;
    if (err != 0 || text[0] == 0)
        return err;
    if (address_copy(out->space, sizeof out->space, text + 1, strlen(text + 1)) != 0)
        return address_wrong(out_detail, "what follows the slash in the address is too long");
    return 0;
}

static const struct address_scheme *address_find_scheme(const char *text)
{
    for (size_t i = 0; i < LENGTH_OF(address_schemes); i++)
        if (strncmp(text, address_schemes[i].prefix, strlen(address_schemes[i].prefix)) == 0)
            return &address_schemes[i];
    return NULL;
}

int address_parse(const char *text, struct address *out,
                  char out_detail[static ADDRESS_DETAIL_SIZE])
{
    struct address address = {.host = "127.0.0.1"};
    const struct address_scheme *scheme = address_find_scheme(text);
    int err;
    if (scheme != NULL) {
        address.driver = scheme->driver;
        err = address_rest(&address, text + strlen(scheme->prefix), scheme->is_path, out_detail);
    } else if (strstr(text, "://") != NULL) {
        err = address_wrong(out_detail, "a server is redis://host:port, cairn://host:port, "
                                        "host:port or /path; connections are not encrypted");
    } else if (text[0] == '/') {
        err = address_path(&address, text, out_detail);
    } else {
        err = address_host(&address, text, strlen(text), out_detail);
    }
    if (err == 0)
        *out = address;
    return err;
}

static int address_set(char *to, const char *text, char *out_detail)
{
    size_t size = strlen(text);
    if (size >= ADDRESS_TEXT_SIZE)
        return address_wrong(out_detail, "a host, user or password is longer than 255 bytes");
    memcpy(to, text, size + 1);
    return 0;
}

static int address_protocol(const struct options *options, struct address *out, char *out_detail)
{
    if (options->resp3 && !options->given[OPTIONS_protocol])
        out->driver = &driver_resp3;
    if (strcmp(options->protocol, "auto") == 0)
        return 0;
    bool resp = strcmp(options->protocol, "resp") == 0 || strcmp(options->protocol, "redis") == 0;
    out->driver = driver_find(resp ? "resp2" : options->protocol);
    if (out->driver != NULL)
        return 0;
    (void)snprintf(out_detail, ADDRESS_DETAIL_SIZE,
                   "unknown protocol '%.32s'; there are auto, msgpack, resp2 and resp3",
                   options->protocol);
    return ERR_BAD_ARGUMENT;
}

int address_of_options(const struct options *options, struct address *out,
                       char out_detail[static ADDRESS_DETAIL_SIZE])
{
    struct address address = {.host = "127.0.0.1"};
    int err = 0;
    if (options->given[OPTIONS_uri])
        err = address_parse(options->uri, &address, out_detail);
    if (err == 0 && options->given[OPTIONS_host])
        err = address_set(address.host, options->host, out_detail);
    if (err == 0 && options->socket[0] != 0)
        err = address_set(address.path, options->socket, out_detail); /* at most 107 bytes */
    if (err == 0 && options->given[OPTIONS_password])
        err = address_set(address.password, options->password, out_detail);
    if (err == 0 && options->given[OPTIONS_user])
        err = address_set(address.user, options->user, out_detail);
    if (err == 0 && options->given[OPTIONS_user] && address.password[0] == 0 &&
        !options->given[OPTIONS_password])
        err = address_wrong(out_detail, "--user logs in with a password: give -a");
    if (err == 0)
        err = address_protocol(options, &address, out_detail);
    if (err != 0)
        return err;
    if (options->given[OPTIONS_port])
        address.port = (int)options->port;
    if (options->given[OPTIONS_dbnum])
        (void)snprintf(address.space, sizeof address.space, "%" PRId64, options->dbnum);
    *out = address;
    return 0;
}

struct driver_login address_login(const struct address *address)
{
    return (struct driver_login){address->user, address->password, address->space, false};
}
