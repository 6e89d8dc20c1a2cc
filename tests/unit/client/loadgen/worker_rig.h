/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A worker of loadgen, and a server that misbehaves in many ways: replies out of order, in pieces,
 * errors, unknown ids, garbage, a closed connection, silence.
 *
 * The server is a thread at the other end of a socket pair for each connection.
 */
#pragma once

#include "client/loadgen/worker.h"

#include "common/clock.h"
#include "proto/mp.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { CONNECTIONS = 3, WINDOW = 5, REQUESTS = 2000, KEYS = 100, SERVER_INPUT = 4 * 1024 * 1024 };

enum manner {
    IN_ORDER,
    REVERSED,    /* all requests that have come, last first */
    IN_PIECES,   /* one byte a send */
    SLOW_READER, /* reads little at a time, late */
    ERRORS,      /* every second reply is an error */
    MISSES,      /* every second reply is nil */
    STRANGE_ID,
    TWICE, /* each reply comes twice */
    GARBAGE,
    CUT, /* closes in the middle of a reply */
    SILENT,
    STALLS, /* answers nothing for STALL_MS after request 100 */
};

enum { STALL_MS = 1000 }; /* far longer than a busy machine takes a CPU away */

struct server {
    enum manner manner;
    int fd;
    pthread_t thread;
    uint8_t *input;
    size_t size;
    unsigned requests, turns;
    uint64_t digest; /* the same for the same requests in any order */
    bool at_end;
};

static inline void server_send(struct server *server, const void *data, size_t size)
{
    const uint8_t *at = data;
    size_t piece = server->manner == IN_PIECES ? 1 : size;
    for (size_t i = 0; i < size; i += piece)
        if (send(server->fd, at + i, piece, MSG_NOSIGNAL) < 0)
            server->at_end = true;
}

static inline void server_reply(struct server *server, uint32_t id)
{
    uint8_t head[] = {
        0x94, 1, 0xce, (uint8_t)(id >> 24), (uint8_t)(id >> 16), (uint8_t)(id >> 8), (uint8_t)id};
    bool odd = server->requests % 2 == 1;
    const char *tail = server->manner == ERRORS && odd   ? "\xa4"
                                                           "BUSY\xc0"
                       : server->manner == MISSES && odd ? "\xc0\xc0"
                                                         : "\xc0\xc4\x03"
                                                           "abc";
    uint8_t reply[32];
    memcpy(reply, head, sizeof head);
    memcpy(reply + sizeof head, tail, strlen(tail));
    server_send(server, reply, sizeof head + strlen(tail));
    if (server->manner == TWICE)
        server_send(server, reply, sizeof head + strlen(tail));
}

/* One request of the input: its id, and where it ends. False: none is there. */
static inline bool server_next(struct server *server, size_t *at, uint32_t *out_id)
{
    struct bytes rest = {server->input + *at, server->size - *at};
    struct mp_reader reader = mp_reader_of(rest), whole = reader;
    struct mp element, id, method;
    if (mp_skip(&whole, MP_DEPTH_MAX) != 0)
        return false;
    assert_int_equal(mp_read(&reader, &element), 0);
    assert_true(element.kind == MP_ARRAY && element.count == 4);
    assert_int_equal(mp_read(&reader, &element), 0);
    assert_true(element.kind == MP_UINT && element.uint == 0);
    assert_int_equal(mp_read(&reader, &id), 0);
    assert_int_equal(mp_read(&reader, &method), 0);
    uint64_t hash = 0;
    for (const uint8_t *p = method.bytes.data; p < whole.at; p++)
        hash = rng_mix(hash + *p + 1);
    server->digest += hash;
    server->requests++;
    *out_id = (uint32_t)id.uint;
    *at += (size_t)(whole.at - rest.data);
    return true;
}

/* Answer one request as the manner has it. */
static inline void server_answer(struct server *server, uint32_t id)
{
    switch (server->manner) {
    case STRANGE_ID:
        server_reply(server, server->requests == 100 ? id + 1000000 : id);
        return;
    case GARBAGE:
        if (server->requests == 100)
            server_send(server, "HTTP/1.1 400 Bad Request\r\n", 26);
        server_reply(server, id);
        return;
    case CUT:
        if (server->requests == 100) {
            server_send(server, "\x94\x01", 2);
            server->at_end = true;
        } else if (!server->at_end)
            server_reply(server, id);
        return;
    case SILENT:
        if (server->requests < 100)
            server_reply(server, id);
        return;
    case STALLS:
        if (server->requests == 100)
            (void)poll(NULL, 0, STALL_MS);
        server_reply(server, id);
        return;
    case IN_ORDER:
    case REVERSED:
    case IN_PIECES:
    case SLOW_READER:
    case ERRORS:
    case MISSES:
    case TWICE:
        server_reply(server, id);
    }
}

static inline void server_handle(struct server *server)
{
    uint32_t ids[WINDOW * 64], id;
    size_t at = 0, count = 0;
    server->turns++;
    while (server_next(server, &at, &id)) {
        assert_true(count < LENGTH_OF(ids));
        ids[count++] = id;
        if (server->manner != REVERSED)
            server_answer(server, id);
    }
    while (server->manner == REVERSED && count > 0)
        server_answer(server, ids[--count]);
    memmove(server->input, server->input + at, server->size - at);
    server->size -= at;
}

static inline void *server_main(void *argument)
{
    struct server *server = argument;
    while (!server->at_end) {
        bool slow = server->manner == SLOW_READER;
        if (slow)
            (void)poll(NULL, 0, 1);
        assert_true(server->size < SERVER_INPUT);
        size_t room = slow ? 8192 : SERVER_INPUT - server->size;
        ssize_t n = recv(server->fd, server->input + server->size, room, 0);
        if (n <= 0)
            break;
        server->size += (size_t)n;
        server_handle(server);
    }
    close(server->fd);
    return NULL;
}

/* A worker with its servers, and the phase it runs. */
struct rig {
    struct plan plan;
    struct phase phase;
    struct worker worker;
    struct server servers[CONNECTIONS];
    atomic_bool stop;
};

static inline void rig_connect(struct rig *rig, enum manner manner)
{
    for (unsigned i = 0; i < CONNECTIONS; i++) {
        int pair[2];
        struct server *server = &rig->servers[i];
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        assert_int_equal(fcntl(pair[0], F_SETFL, O_NONBLOCK), 0);
        *server = (struct server){.manner = manner, .fd = pair[1]};
        server->input = malloc(SERVER_INPUT);
        assert_non_null(server->input);
        assert_int_equal(pthread_create(&server->thread, NULL, server_main, server), 0);
        assert_int_equal(worker_add(&rig->worker, pair[0], WINDOW), 0);
    }
}

static inline struct rig *rig_make(enum manner manner, enum workload_id workload, unsigned thread,
                                   unsigned threads)
{
    struct rig *rig = calloc(1, sizeof *rig);
    assert_non_null(rig);
    rig->plan = (struct plan){
        .driver = &driver_msgpack,
        .threads = threads,
        .connections = CONNECTIONS,
        .pipeline = WINDOW,
        .requests = REQUESTS,
        .timeout_ns = 10000000000u,
        .seed = 1,
        .keys = KEYS,
        .ratio = {1, 3},
        .value_bytes = 3,
        .value_min = 3,
    };
    assert_int_equal(worker_init(&rig->worker, thread, CONNECTIONS), 0);
    rig_connect(rig, manner);
    assert_int_equal(phase_init_measure(&rig->phase, &rig->plan, &workload_table[workload]), 0);
    return rig;
}

static inline void rig_run(struct rig *rig)
{
    assert_int_equal(worker_prepare(&rig->worker, &rig->phase, &rig->stop), 0);
    worker_run(&rig->worker);
}

/* Close all and wait for the servers; what they have counted stays. */
static inline void rig_close(struct rig *rig)
{
    worker_deinit(&rig->worker);
    phase_deinit(&rig->phase);
    for (unsigned i = 0; i < CONNECTIONS; i++) {
        pthread_join(rig->servers[i].thread, NULL);
        free(rig->servers[i].input);
    }
}

static inline uint64_t rig_answered(const struct rig *rig)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < rig->phase.workload->n_shapes; i++)
        sum += rig->worker.latency[i].count;
    return sum;
}

static inline unsigned rig_received(const struct rig *rig)
{
    unsigned sum = 0;
    for (unsigned i = 0; i < CONNECTIONS; i++)
        sum += rig->servers[i].requests;
    return sum;
}
