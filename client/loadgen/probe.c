/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Asks a server what it is.
 *
 * How: one request, server.info or INFO, whose answer is searched for the few fields that matter.
 * Redis has no name for its durability; ours for the same promise are used: without an append-only
 * file "memory", with one "buffered".
 *
 * Invariants: the answer is data from outside; nothing of it is trusted but its bytes.
 * Threads: the main thread, before workers start. Failures: none; fields stay empty.
 */
#include "client/loadgen/probe.h"

#include "client/loadgen/cpu.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/num.h"
#include "proto/mp.h"
#include "proto/pack.h"
#include "proto/rpc.h"

#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <poll.h>
#include <unistd.h>

enum {
    PROBE_ANSWER_MAX = 256 * 1024,
    PROBE_READ = 4096,
    PROBE_TIMEOUT_MS = 2000,
    PROBE_PID_MAX = 4194304,
};

static void probe_put(char out[static PROBE_TEXT_SIZE], const char *text, size_t size)
{
    size = size < PROBE_TEXT_SIZE ? size : PROBE_TEXT_SIZE - 1;
    for (size_t i = 0; i < size; i++)
        out[i] = text[i] >= ' ' && text[i] <= '~' ? text[i] : '?';
    out[size] = 0;
}

/* A field of the section "server" of server.info. */
static void probe_field(struct bytes key, const struct mp *value, struct probe *out)
{
    const struct {
        const char *name;
        char *text;
    } fields[] = {
        {"version", out->version},
        {"durability", out->durability},
        {"allocator", out->allocator},
        {"loops", out->threads},
    };
    char number[NUM_REAL_SIZE];
    if (value->kind == MP_UINT && bytes_equal(key, bytes_of("cpu_us")))
        out->cpu_ns = value->uint * 1000;
    if (value->kind == MP_UINT && bytes_equal(key, bytes_of("pid")) && value->uint <= PROBE_PID_MAX)
        out->pid = (int64_t)value->uint;
    for (size_t i = 0; i < LENGTH_OF(fields); i++) {
        if (!bytes_equal(key, bytes_of(fields[i].name)))
            continue;
        if (value->kind == MP_STR)
            probe_put(fields[i].text, (const char *)value->bytes.data, value->bytes.size);
        else if (mp_number_text(value, number))
            probe_put(fields[i].text, number, strlen(number));
    }
}

/* Read the header of a map. */
static uint32_t probe_map(struct mp_reader *reader)
{
    struct mp head;
    return mp_read(reader, &head) == 0 && head.kind == MP_MAP ? head.count : 0;
}

static void probe_section(struct mp_reader *reader, struct probe *out)
{
    uint32_t pairs = probe_map(reader);
    for (uint32_t i = 0; i < pairs; i++) {
        struct mp_reader value_reader;
        struct bytes key;
        struct mp value;
        bool text;
        if (mp_read_bytes(reader, &key, &text) != 0)
            return;
        value_reader = *reader;
        if (mp_skip(reader, MP_DEPTH_MAX) != 0)
            return;
        if (mp_read(&value_reader, &value) == 0)
            probe_field(key, &value, out);
    }
}

void probe_from_info(struct bytes info, struct probe *out)
{
    struct mp_reader reader = mp_reader_of(info);
    uint32_t pairs = probe_map(&reader);
    memset(out, 0, sizeof *out);
    probe_put(out->software, "cairn", 5);
    for (uint32_t i = 0; i < pairs; i++) {
        struct mp_reader section;
        struct bytes key;
        bool text;
        if (mp_read_bytes(&reader, &key, &text) != 0)
            return;
        section = reader;
        if (bytes_equal(key, bytes_of("server")))
            probe_section(&section, out);
        if (mp_skip(&reader, MP_DEPTH_MAX) != 0)
            return;
    }
}

/* The value of a line "name:value"; false if there is none. */
static bool probe_line(const char *info, const char *name, char out[static PROBE_TEXT_SIZE])
{
    size_t size = strlen(name);
    for (const char *at = info; at != NULL; at = strchr(at, '\n')) {
        at += *at == '\n';
        if (strncmp(at, name, size) != 0 || at[size] != ':')
            continue;
        probe_put(out, at + size + 1, strcspn(at + size + 1, "\r\n"));
        return true;
    }
    return false;
}

/* Seconds of a line "name:12.345678" in ns; 0 if there is none. */
static uint64_t probe_seconds(const char *info, const char *name)
{
    char text[PROBE_TEXT_SIZE];
    long double seconds;
    if (!probe_line(info, name, text) || !num_read_real(bytes_of(text), &seconds))
        return 0;
    return seconds > 0 && seconds < 1e9L ? (uint64_t)(seconds * 1e9L + 0.5L) : 0;
}

void probe_from_resp(const char *info, struct probe *out)
{
    char text[PROBE_TEXT_SIZE];
    int64_t pid;
    memset(out, 0, sizeof *out);
    if (probe_line(info, "cairn_version", out->version))
        probe_put(out->software, "cairn", 5);
    else if (probe_line(info, "valkey_version", out->version))
        probe_put(out->software, "valkey", 6);
    else if (probe_line(info, "redis_version", out->version))
        probe_put(out->software, "redis", 5);
    (void)probe_line(info, "mem_allocator", out->allocator);
    (void)probe_line(info, "io_threads", out->threads);
    out->cpu_ns = probe_seconds(info, "used_cpu_user") + probe_seconds(info, "used_cpu_sys");
    if (probe_line(info, "process_id", text) && num_parse_int(text, &pid) == 0 && pid > 0 &&
        pid <= PROBE_PID_MAX)
        out->pid = pid;
    if (!probe_line(info, "cairn_durability", out->durability) &&
        probe_line(info, "aof_enabled", text))
        (void)snprintf(out->durability, sizeof out->durability, "%s",
                       text[0] == '1' ? "buffered" : "memory");
}

/* Wait for the reply to be all there. */
static enum driver_status probe_receive(const struct target *target, int fd, struct buf *data,
                                        struct driver_reply *out_reply)
{
    uint64_t deadline = clock_mono_ns() + (uint64_t)target->timeout_ms * 1000000u;
    while (data->size < PROBE_ANSWER_MAX && clock_mono_ns() < deadline) {
        struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
        if (poll(&poll_fd, 1, target->timeout_ms) <= 0 || buf_reserve(data, PROBE_READ) != 0)
            return DRIVER_BAD;
        ssize_t n = recv(fd, data->data + data->size, PROBE_READ, 0);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        if (n <= 0)
            return DRIVER_BAD;
        data->size += (size_t)n;
        enum driver_status status = target->driver->parse_reply(buf_bytes(data), out_reply);
        if (status != DRIVER_MORE)
            return status;
    }
    return DRIVER_BAD;
}

/* Send and wait. */
static enum driver_status probe_exchange(const struct target *target, int fd, struct bytes request,
                                         struct buf *answer, struct driver_reply *out_reply)
{
    if (send(fd, request.data, request.size, MSG_NOSIGNAL) != (ssize_t)request.size)
        return DRIVER_BAD;
    return probe_receive(target, fd, answer, out_reply);
}

enum driver_status probe_call(const struct target *target, struct bytes request, struct buf *answer,
                              struct driver_reply *out_reply)
{
    struct failure failure = {.kind = FAILURE_NONE};
    int fd;
    if (target_connect(target, &fd, &failure) != 0)
        return DRIVER_BAD;
    enum driver_status status = probe_exchange(target, fd, request, answer, out_reply);
    close(fd);
    return status;
}

int probe_encode(const struct target *target, const char *question, struct buf *out)
{
    char text[PROBE_TEXT_SIZE];
    if (!probe_is_resp(target)) {
        int err = rpc_encode_request(out, 0, bytes_of(question));
        return err != 0 ? err : pack_array(out, 0);
    }
    int size = question[0] == 0 ? snprintf(text, sizeof text, "*1\r\n$4\r\nINFO\r\n")
                                : snprintf(text, sizeof text, "*2\r\n$4\r\nINFO\r\n$%zu\r\n%s\r\n",
                                           strlen(question), question);
    return buf_append(out, text, (size_t)size);
}

bool probe_answer(const struct target *target, struct buf *data, struct bytes *out)
{
    struct rpc_response response;
    size_t size;
    if (probe_is_resp(target)) {
        bool text = data->size > 0 && data->data[0] != '-' && buf_append(data, "", 1) == 0;
        *out = buf_bytes(data);
        return text;
    }
    if (rpc_decode_response(buf_bytes(data), &response, &size) != 0)
        return false;
    *out = response.result;
    return response.error.size == 1 && response.error.data[0] == 0xc0;
}

/* One question on this connection. */
static bool probe_question(const struct target *target, int fd, const char *question,
                           probe_take *take, void *into)
{
    struct buf request, answer;
    struct driver_reply reply;
    struct bytes content;
    buf_init(&request);
    buf_init(&answer);
    bool good = probe_encode(target, question, &request) == 0 &&
                probe_exchange(target, fd, buf_bytes(&request), &answer, &reply) == DRIVER_VALUE &&
                probe_answer(target, &answer, &content);
    if (good)
        take(into, question, content);
    buf_deinit(&request);
    buf_deinit(&answer);
    return good;
}

bool probe_is_resp(const struct target *target)
{
    return strncmp(target->driver->name, "resp", 4) == 0;
}

bool probe_ask(const struct target *target, const char *const *questions, probe_take *take,
               void *into)
{
    struct failure failure = {.kind = FAILURE_NONE};
    struct target hasty = *target;
    bool good = true;
    int fd;
    if (hasty.timeout_ms > PROBE_TIMEOUT_MS)
        hasty.timeout_ms = PROBE_TIMEOUT_MS;
    if (target_connect(&hasty, &fd, &failure) != 0)
        return false;
    for (; *questions != NULL && good; questions++)
        good = probe_question(&hasty, fd, *questions, take, into);
    close(fd);
    return good;
}

static void probe_take_rpc(void *into, const char *question, struct bytes content)
{
    (void)question;
    probe_from_info(content, into);
}

static void probe_take_resp(void *into, const char *question, struct bytes content)
{
    (void)question;
    probe_from_resp((const char *)content.data, into);
}

void probe_read(const struct target *target, struct probe *out)
{
    static const char *const rpc[] = {"server.info", NULL}, *const resp[] = {"", NULL};
    bool is_resp = probe_is_resp(target);
    memset(out, 0, sizeof *out);
    if (!probe_ask(target, is_resp ? resp : rpc, is_resp ? probe_take_resp : probe_take_rpc, out))
        memset(out, 0, sizeof *out);
}

static bool probe_within_machine(const struct sockaddr_storage *address)
{
    const struct sockaddr_in *four = (const void *)address;
    const struct sockaddr_in6 *six = (const void *)address;
    if (address->ss_family == AF_INET)
        return ntohl(four->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
    return address->ss_family == AF_UNIX ||
           (address->ss_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&six->sin6_addr));
}

int64_t probe_process(const struct target *target)
{
    const uint64_t slack_ns = 200000000;
    struct probe probe;
    uint64_t ns;
    if (!probe_within_machine(&target->address))
        return 0;
    probe_read(target, &probe);
    if (probe.pid == 0 || !cpu_process_is(probe.pid, probe.software) ||
        cpu_time_of(probe.pid, &ns) != 0)
        return 0;
    uint64_t differ = ns > probe.cpu_ns ? ns - probe.cpu_ns : probe.cpu_ns - ns;
    return differ <= probe.cpu_ns / 5 + slack_ns ? probe.pid : 0;
}

/* What was asked about keys. */
struct probe_keys {
    char line[32]; /* of the database: "db0" */
    bool known;
    uint64_t n;
};

static void probe_take_count(void *into, const char *question, struct bytes content)
{
    struct probe_keys *keys = into;
    struct mp_reader reader = mp_reader_of(content);
    struct mp value;
    (void)question;
    keys->known = mp_read(&reader, &value) == 0 && value.kind == MP_UINT;
    keys->n = keys->known ? value.uint : 0;
}

/* "db0:keys=100,expires=0"; without keys there is no line. */
static void probe_take_keyspace(void *into, const char *question, struct bytes content)
{
    struct probe_keys *keys = into;
    char text[PROBE_TEXT_SIZE];
    int64_t n;
    (void)question;
    keys->known = strstr((const char *)content.data, "# Keyspace") != NULL;
    if (!probe_line((const char *)content.data, keys->line, text))
        return;
    text[strcspn(text, ",")] = 0;
    keys->known = strncmp(text, "keys=", 5) == 0 && num_parse_int(text + 5, &n) == 0 && n >= 0;
    keys->n = keys->known ? (uint64_t)n : 0;
}

int probe_keys(const struct target *target, uint64_t *out_keys)
{
    static const char *const rpc[] = {"kv.count", NULL}, *const resp[] = {"keyspace", NULL};
    bool is_resp = probe_is_resp(target);
    struct probe_keys keys = {.known = false};
    const char *database = target->login.space;
    (void)snprintf(keys.line, sizeof keys.line, "db%.20s",
                   database != NULL && database[0] != 0 ? database : "0");
    if (!probe_ask(target, is_resp ? resp : rpc, is_resp ? probe_take_keyspace : probe_take_count,
                   &keys) ||
        !keys.known)
        return ERR_NOT_FOUND;
    *out_keys = keys.n;
    return 0;
}
