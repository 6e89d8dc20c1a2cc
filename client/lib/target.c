/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Addresses and options as people write them, into struct target.
 *
 *   /path  unix:/path                          a Unix socket
 *   cairn://[token@]host[:port][/run]          %XX decoded in token and run
 *   host  host:port  [v6]  [v6]:port  v6
 *
 * Invariants: every text is copied with its NUL or refused; nothing is cut off silently.
 * Threads: pure functions. Failures: CAIRN_BAD_ARGUMENT with a sentence.
 */
#include "client/lib/target.h"

#include "client/lib/fault.h"
#include "common/num.h"

enum {
    TARGET_CONNECT_MS = 5000,
    TARGET_CALL_MS = 30000,
    TARGET_IN_FLIGHT = 1024,
    TARGET_IN_FLIGHT_MAX = 65536,
    TARGET_BYTES = 64 << 20,
};
#define TARGET_PORT "7420"

/* Copy text[0..n) into a field of `room` bytes. */
static int target_copy(char *to, size_t room, const char *text, size_t n, const char *what,
                       struct cairn_error *error)
{
    if (n >= room)
        return fault_set(error, CAIRN_BAD_ARGUMENT, "the %s is longer than %zu bytes", what,
                         room - 1);
    memcpy(to, text, n);
    to[n] = 0;
    return 0;
}

static int target_hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Replace %XX in place; false if one is malformed or a NUL. */
static bool target_unescape(char *text)
{
    char *to = text;
    for (const char *from = text; *from != 0; from++) {
        if (*from != '%') {
            *to++ = *from;
            continue;
        }
        int high = target_hex(from[1]);
        int low = high < 0 ? -1 : target_hex(from[2]);
        if (low < 0 || (high | low) == 0)
            return false;
        *to++ = (char)(high << 4 | low);
        from += 2;
    }
    *to = 0;
    return true;
}

static int target_port(struct target *target, const char *text, size_t n, struct cairn_error *error)
{
    int64_t number;
    int err = target_copy(target->port, sizeof target->port, text, n, "port", error);
    if (err != 0)
        return err;
    if (num_parse_int(target->port, &number) != 0 || number < 1 || number > 65535)
        return fault_set(error, CAIRN_BAD_ARGUMENT, "the port must be a number from 1 to 65535");
    return 0;
}

/* host, host:port, [v6], [v6]:port or a bare v6. */
static int target_host(struct target *target, const char *text, size_t n, struct cairn_error *error)
{
    const char *end = text + n, *host = text, *host_end = end, *port = NULL;
    const char *colon = memchr(text, ':', n);
    if (n > 0 && text[0] == '[') {
        host_end = memchr(text, ']', n);
        if (host_end == NULL || (host_end + 1 < end && host_end[1] != ':'))
            return fault_set(error, CAIRN_BAD_ARGUMENT, "write IPv6 addresses as [::1]:7420");
        host++;
        port = host_end + 1 < end ? host_end + 2 : NULL;
    } else if (colon != NULL && memchr(colon + 1, ':', (size_t)(end - colon - 1)) == NULL) {
        host_end = colon;
        port = colon + 1;
    }
    if (host == host_end)
        return fault_set(error, CAIRN_BAD_ARGUMENT, "the address names no host");
    int err = target_copy(target->host, sizeof target->host, host, (size_t)(host_end - host),
                          "host", error);
    if (err == 0 && port != NULL)
        err = target_port(target, port, (size_t)(end - port), error);
    return err;
}

/* What follows "cairn://". */
static int target_uri(struct target *target, const char *text, struct cairn_error *error)
{
    const char *at = strchr(text, '@'), *slash = strchr(text, '/');
    int err = 0;
    if (at != NULL && (slash == NULL || at < slash)) {
        err = target_copy(target->token, sizeof target->token, text, (size_t)(at - text), "token",
                          error);
        text = at + 1;
    }
    const char *end = slash != NULL ? slash : text + strlen(text);
    if (err == 0)
        err = target_host(target, text, (size_t)(end - text), error);
    if (err == 0 && slash != NULL)
        err = target_copy(target->run, sizeof target->run, slash + 1, strlen(slash + 1), "run",
                          error);
    if (err == 0 && (!target_unescape(target->token) || !target_unescape(target->run)))
        err = fault_set(error, CAIRN_BAD_ARGUMENT,
                        "a %% in the address must be followed by two "
                        "hexadecimal digits, not 00");
    return err;
}

static int target_address(struct target *target, const char *address, struct cairn_error *error)
{
    const char *path = strncmp(address, "unix:", 5) == 0 ? address + 5 : address;
    if (path[0] == '/' || (path != address && path[0] != 0))
        return target_copy(target->path, sizeof target->path, path, strlen(path), "socket path",
                           error);
    if (strncmp(address, "cairn://", 8) == 0)
        return target_uri(target, address + 8, error);
    if (strstr(address, "://") != NULL || path != address)
        return fault_set(error, CAIRN_BAD_ARGUMENT,
                         "an address is host:port, /path or cairn://host:port/run");
    return target_host(target, address, strlen(address), error);
}

static int target_text(char *to, size_t room, const char *text, const char *what,
                       struct cairn_error *error)
{
    return text == NULL ? 0 : target_copy(to, room, text, strlen(text), what, error);
}

static int target_options(struct target *t, const struct cairn_options *o,
                          struct cairn_error *error)
{
    int err = target_text(t->token, sizeof t->token, o->token, "token", error);
    if (err == 0)
        err = target_text(t->run, sizeof t->run, o->run, "run", error);
    if (err == 0)
        err = target_text(t->durability, sizeof t->durability, o->durability, "durability", error);
    if (err == 0)
        err = target_text(t->client, sizeof t->client, o->client, "client", error);
    if (err == 0 && (o->max_in_flight > TARGET_IN_FLIGHT_MAX || o->max_reply_bytes > SIZE_MAX / 4 ||
                     o->max_send_bytes > SIZE_MAX / 4))
        err = fault_set(error, CAIRN_BAD_ARGUMENT, "a bound in struct cairn_options is too large");
    if (err != 0)
        return err;
    if (o->connect_timeout_ms != 0)
        t->connect_timeout_ms = o->connect_timeout_ms;
    if (o->timeout_ms != 0)
        t->timeout_ms = o->timeout_ms;
    if (o->max_in_flight != 0)
        t->max_in_flight = o->max_in_flight;
    if (o->max_reply_bytes != 0)
        t->max_reply_bytes = (size_t)o->max_reply_bytes;
    if (o->max_send_bytes != 0)
        t->max_send_bytes = (size_t)o->max_send_bytes;
    return 0;
}

int target_init(struct target *target, const char *address, const struct cairn_options *options,
                struct cairn_error *error)
{
    struct target t = {
        .port = TARGET_PORT,
        .client = "libcairn",
        .connect_timeout_ms = TARGET_CONNECT_MS,
        .timeout_ms = TARGET_CALL_MS,
        .max_in_flight = TARGET_IN_FLIGHT,
        .max_reply_bytes = TARGET_BYTES,
        .max_send_bytes = TARGET_BYTES,
    };
    int err = target_address(&t, address != NULL ? address : "127.0.0.1", error);
    if (err == 0 && options != NULL)
        err = target_options(&t, options, error);
    if (err == 0)
        *target = t;
    explicit_bzero(t.token, sizeof t.token);
    return err;
}
