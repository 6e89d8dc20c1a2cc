/* SPDX-License-Identifier: BSD-3-Clause
 *
 * client/loadgen/worker against a server that misbehaves in many ways: replies out of order, in
 * pieces, errors, unknown ids, garbage, a closed connection, silence.
 *
 * The server is a thread at the other end of a socket pair for each connection.
 */
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

enum { STALL_MS = 300 };

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

static void server_send(struct server *server, const void *data, size_t size)
{
    const uint8_t *at = data;
    size_t piece = server->manner == IN_PIECES ? 1 : size;
    for (size_t i = 0; i < size; i += piece)
        if (send(server->fd, at + i, piece, MSG_NOSIGNAL) < 0)
            server->at_end = true;
}

static void server_reply(struct server *server, uint32_t id)
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
static bool server_next(struct server *server, size_t *at, uint32_t *out_id)
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
static void server_answer(struct server *server, uint32_t id)
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

static void server_handle(struct server *server)
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

static void *server_main(void *argument)
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

static void rig_connect(struct rig *rig, enum manner manner)
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

static struct rig *rig_make(enum manner manner, enum workload_id workload, unsigned thread,
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

static void rig_run(struct rig *rig)
{
    assert_int_equal(worker_prepare(&rig->worker, &rig->phase, &rig->stop), 0);
    worker_run(&rig->worker);
}

/* Close all and wait for the servers; what they have counted stays. */
static void rig_close(struct rig *rig)
{
    worker_deinit(&rig->worker);
    phase_deinit(&rig->phase);
    for (unsigned i = 0; i < CONNECTIONS; i++) {
        pthread_join(rig->servers[i].thread, NULL);
        free(rig->servers[i].input);
    }
}

static uint64_t rig_answered(const struct rig *rig)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < rig->phase.workload->n_shapes; i++)
        sum += rig->worker.latency[i].count;
    return sum;
}

static unsigned rig_received(const struct rig *rig)
{
    unsigned sum = 0;
    for (unsigned i = 0; i < CONNECTIONS; i++)
        sum += rig->servers[i].requests;
    return sum;
}

static void all_answered(enum manner manner)
{
    struct rig *rig = rig_make(manner, WORKLOAD_get, 0, 1);
    rig_run(rig);
    assert_string_equal(rig->worker.failure.text, "");
    assert_int_equal(rig_answered(rig), REQUESTS);
    assert_int_equal(rig->worker.counts.hits, REQUESTS);
    assert_int_equal(rig->worker.counts.errors, 0);
    assert_int_equal(rig->worker.in_flight, 0);
    rig_close(rig);
    assert_int_equal(rig_received(rig), REQUESTS);
    free(rig);
}

static void in_order(void **state)
{
    (void)state;
    all_answered(IN_ORDER);
}

static void out_of_order(void **state)
{
    (void)state;
    all_answered(REVERSED);
}

static void in_pieces(void **state)
{
    (void)state;
    all_answered(IN_PIECES);
}

static void errors_are_counted(void **state)
{
    (void)state;
    struct rig *rig = rig_make(ERRORS, WORKLOAD_set, 0, 1);
    rig_run(rig);
    assert_int_equal(rig->worker.failure.kind, FAILURE_NONE);
    assert_int_equal(rig_answered(rig) + rig->worker.counts.errors, REQUESTS);
    assert_in_range(rig->worker.counts.errors, REQUESTS / 2 - 3, REQUESTS / 2 + 3);
    assert_string_equal(rig->worker.first_error, "BUSY");
    rig_close(rig);
    free(rig);
}

static void misses_are_counted(void **state)
{
    (void)state;
    struct rig *rig = rig_make(MISSES, WORKLOAD_get, 0, 1);
    rig_run(rig);
    assert_int_equal(rig_answered(rig), REQUESTS);
    assert_int_equal(rig->worker.counts.hits + rig->worker.counts.misses, REQUESTS);
    assert_in_range(rig->worker.counts.misses, REQUESTS / 2 - 3, REQUESTS / 2 + 3);
    rig_close(rig);
    free(rig);
}

static void fails(enum manner manner, enum failure_kind kind)
{
    struct rig *rig = rig_make(manner, WORKLOAD_get, 0, 1);
    rig->phase.timeout_ns = 300000000;
    rig_run(rig);
    assert_int_equal(rig->worker.failure.kind, kind);
    assert_true(rig->worker.failure.text[0] != 0);
    assert_true(rig_answered(rig) < REQUESTS);
    rig_close(rig);
    free(rig);
}

static void bad_servers(void **state)
{
    (void)state;
    fails(STRANGE_ID, FAILURE_REPLY);
    fails(TWICE, FAILURE_REPLY);
    fails(GARBAGE, FAILURE_REPLY);
    fails(CUT, FAILURE_CLOSED);
    fails(SILENT, FAILURE_SILENT);
}

/* Requests larger than the socket takes at once, read slowly. */
static void partial_sends(void **state)
{
    (void)state;
    struct rig *rig = rig_make(SLOW_READER, WORKLOAD_set, 0, 1);
    phase_deinit(&rig->phase);
    rig->plan.value_bytes = rig->plan.value_min = 300000;
    rig->plan.requests = 30;
    assert_int_equal(phase_init_measure(&rig->phase, &rig->plan, &workload_table[WORKLOAD_set]), 0);
    rig_run(rig);
    assert_string_equal(rig->worker.failure.text, "");
    assert_int_equal(rig_answered(rig), 30);
    rig_close(rig);
    assert_int_equal(rig_received(rig), 30);
    free(rig);
}

static void stops_when_told(void **state)
{
    (void)state;
    struct rig *rig = rig_make(IN_ORDER, WORKLOAD_get, 0, 1);
    rig->phase.requests = UINT64_MAX;
    atomic_store(&rig->stop, true);
    rig_run(rig);
    assert_int_equal(rig->worker.failure.kind, FAILURE_NONE);
    assert_int_equal(rig->worker.in_flight, 0);
    rig_close(rig);
    assert_int_equal(rig_received(rig), rig_answered(rig));
    free(rig);
}

static void duration_ends(void **state)
{
    (void)state;
    struct rig *rig = rig_make(IN_ORDER, WORKLOAD_get, 0, 1);
    rig->phase.requests = UINT64_MAX;
    rig->phase.duration_ns = 100000000;
    uint64_t start = clock_mono_ns();
    rig_run(rig);
    assert_in_range(clock_mono_ns() - start, 90000000, 2000000000);
    assert_int_equal(rig->worker.in_flight, 0);
    assert_true(rig_answered(rig) > 0);
    rig_close(rig);
    free(rig);
}

/* What all servers have got from so many workers, one after the other. */
static uint64_t digest_of(unsigned threads, unsigned *out_received)
{
    uint64_t digest = 0;
    *out_received = 0;
    for (unsigned thread = 0; thread < threads; thread++) {
        struct rig *rig = rig_make(IN_ORDER, WORKLOAD_mixed, thread, threads);
        rig_run(rig);
        rig_close(rig);
        for (unsigned i = 0; i < CONNECTIONS; i++)
            digest += rig->servers[i].digest;
        *out_received += rig_received(rig);
        free(rig);
    }
    return digest;
}

static void same_requests_on_the_wire(void **state)
{
    (void)state;
    unsigned received, other;
    uint64_t one = digest_of(1, &received);
    assert_int_equal(received, REQUESTS);
    assert_true(digest_of(2, &other) == one && other == REQUESTS);
    assert_true(digest_of(8, &other) == one && other == REQUESTS);
}

/* A request that updates is two on the wire and one in the figures. */
static void updates(void **state)
{
    (void)state;
    static const enum manner manners[] = {IN_ORDER, REVERSED, IN_PIECES, MISSES};
    for (size_t i = 0; i < LENGTH_OF(manners); i++) {
        struct rig *rig = rig_make(manners[i], WORKLOAD_rmw, 0, 1);
        rig_run(rig);
        assert_string_equal(rig->worker.failure.text, "");
        assert_int_equal(rig_answered(rig), REQUESTS);
        assert_int_equal(rig->worker.counts.hits + rig->worker.counts.misses, REQUESTS);
        assert_int_equal(rig->worker.in_flight, 0);
        for (unsigned step = 1; step <= 2; step++) { /* behind the sequence itself */
            assert_int_equal(rig->worker.latency[step].count, REQUESTS);
            assert_true(rig->worker.latency[step].max <= rig->worker.latency[0].max);
        }
        rig_close(rig);
        assert_int_equal(rig_received(rig), 2 * REQUESTS);
        free(rig);
    }
}

/* In an open loop as well, where the time between them is in both figures. */
static void updates_open(void **state)
{
    (void)state;
    struct rig *rig = rig_make(STALLS, WORKLOAD_rmw, 0, 1);
    rig->phase.rate = 5000;
    rig->phase.drain_ns = 60000000000u;
    rig_run(rig);
    assert_string_equal(rig->worker.failure.text, "");
    assert_int_equal(rig_answered(rig), REQUESTS);
    assert_int_equal(rig->worker.service.count, REQUESTS);
    assert_true(rig->worker.service.max >= STALL_MS * UINT64_C(1000000));
    rig_close(rig);
    assert_int_equal(rig_received(rig), 2 * REQUESTS);
    free(rig);
}

/* Nothing above the horizon is read: what a thread knows of all is below what any has to do. */
static void marks(void **state)
{
    (void)state;
    struct rig *rig = rig_make(IN_ORDER, WORKLOAD_insert_get, 0, 1);
    rig_run(rig);
    assert_int_equal(rig_answered(rig), REQUESTS);
    assert_in_range(rig->worker.horizon, 1, REQUESTS);
    assert_true(atomic_load(&rig->phase.marks[0].below) == UINT64_MAX);
    rig_close(rig);
    free(rig);
}

/* Two phases on the same connections; the second counts from zero. */
static void phases_follow(void **state)
{
    (void)state;
    struct rig *rig = rig_make(REVERSED, WORKLOAD_mixed, 0, 1);
    rig_run(rig);
    rig_run(rig);
    assert_int_equal(rig->worker.failure.kind, FAILURE_NONE);
    assert_int_equal(rig_answered(rig), REQUESTS);
    rig_close(rig);
    assert_int_equal(rig_received(rig), 2 * REQUESTS);
    free(rig);
}

/* ---- open loop ---- */

/* Run a phase of an open loop with a window of 1. */
static struct rig *open_rig(enum manner manner, double rate, uint64_t requests,
                            uint64_t duration_ns)
{
    struct rig *rig = rig_make(manner, WORKLOAD_get, 0, 1);
    rig->phase.rate = rate;
    rig->phase.requests = requests;
    rig->phase.duration_ns = duration_ns;
    rig->phase.drain_ns = 60000000000u;
    rig->phase.window = 1;
    return rig;
}

static void open_sends_all(void **state)
{
    (void)state;
    struct rig *rig = open_rig(IN_ORDER, 20000, REQUESTS, 0);
    rig_run(rig);
    assert_string_equal(rig->worker.failure.text, "");
    assert_int_equal(rig_answered(rig), REQUESTS);
    assert_int_equal(rig->worker.service.count, REQUESTS);
    assert_true(rig->worker.slip.count <= REQUESTS);
    assert_true(rig->worker.latency[0].sum + rig->worker.latency[1].sum >= rig->worker.service.sum);
    rig_close(rig);
    assert_int_equal(rig_received(rig), REQUESTS);
    free(rig);
}

/* A request for each millisecond, for 200 ms: 200, however long they take. */
static void open_duration(void **state)
{
    (void)state;
    struct rig *rig = open_rig(IN_PIECES, 1000, UINT64_MAX, 200000000);
    uint64_t start = clock_mono_ns();
    rig_run(rig);
    assert_true(clock_mono_ns() - start >= 198000000);
    assert_int_equal(rig_answered(rig), 200);
    assert_int_equal(rig->worker.counts.unsent, 0);
    rig_close(rig);
    assert_int_equal(rig_received(rig), 200);
    free(rig);
}

static uint64_t count_above(const struct hist *hist, uint64_t ns)
{
    uint64_t count = 0;
    for (unsigned i = 0; i < HIST_BUCKETS; i++)
        count += hist_bucket_top(i) > ns ? hist->bucket[i] : 0;
    return count;
}

/* The only connection stalls at its 100th request, due at 99 ms, for 300 ms. What becomes due
 * meanwhile waits, though it is not sent: 200 requests for over 100 ms. */
static void stall_is_not_omitted(void **state)
{
    (void)state;
    struct rig *rig = open_rig(STALLS, 1000, 900, 0);
    rig->worker.n_conns = 1;
    rig_run(rig);
    rig->worker.n_conns = CONNECTIONS;
    assert_string_equal(rig->worker.failure.text, "");
    assert_int_equal(rig_answered(rig), 900);
    const struct hist *response = &rig->worker.latency[0], *service = &rig->worker.service;
    assert_true(response->count == 900 && service->count == 900);
    assert_true(count_above(response, 100000000) >= 195);
    assert_true(response->max >= 300000000 && service->max >= 300000000);
    /* The service time shows next to nothing of it. */
    assert_in_range(count_above(service, 100000000), 1, 39);
    rig_close(rig);
    free(rig);
}

/* More is due than is sent in time: what is left counts with its age. */
static void backlog_is_given_up(void **state)
{
    (void)state;
    struct rig *rig = open_rig(STALLS, 100000, 30000, 0);
    rig->phase.drain_ns = 0;
    rig_run(rig);
    const struct worker *worker = &rig->worker;
    assert_int_equal(worker->failure.kind, FAILURE_NONE);
    assert_true(worker->counts.unsent > 0);
    assert_int_equal(worker->latency[0].count, 30000);
    assert_int_equal(worker->service.count, 30000 - worker->counts.unsent);
    rig_close(rig);
    assert_int_equal(rig_received(rig), worker->service.count);
    free(rig);
}

/* What finds no connection is not sent, and what was sent has not waited for one. */
static void overload_is_dropped(void **state)
{
    (void)state;
    struct rig *rig = open_rig(STALLS, 10000, 6000, 0);
    rig->phase.overload = PLAN_OVERLOAD_DROP;
    rig_run(rig);
    const struct worker *worker = &rig->worker;
    assert_string_equal(worker->failure.text, "");
    assert_true(worker->counts.dropped > 100);
    assert_int_equal(rig_answered(rig) + worker->counts.dropped, 6000);
    assert_int_equal(worker->service.count, rig_answered(rig));
    assert_true(count_above(&worker->latency[0], 100000000) <= CONNECTIONS);
    rig_close(rig);
    assert_int_equal(rig_received(rig), worker->service.count);
    free(rig);
}

/* The same after 100 ms: the server stalls for longer, so that some are dropped, but all others
 * have waited for no longer than that. */
static void backlog_is_bounded(void **state)
{
    (void)state;
    struct rig *rig = open_rig(STALLS, 10000, 6000, 0);
    rig->phase.overload = PLAN_OVERLOAD_DROP;
    rig->phase.patience_ns = 100000000;
    rig_run(rig);
    const struct worker *worker = &rig->worker;
    assert_string_equal(worker->failure.text, "");
    assert_true(worker->counts.dropped > 100);
    assert_int_equal(rig_answered(rig) + worker->counts.dropped, 6000);
    assert_true(count_above(&worker->latency[0], 90000000) > 2 * CONNECTIONS);
    assert_true(count_above(&worker->latency[0], 200000000) <= CONNECTIONS);
    rig_close(rig);
    assert_int_equal(rig_received(rig), worker->service.count);
    free(rig);
}

/* The first that finds no connection ends the test. */
static void overload_aborts(void **state)
{
    (void)state;
    struct rig *rig = open_rig(STALLS, 10000, 6000, 0);
    rig->phase.overload = PLAN_OVERLOAD_ABORT;
    rig_run(rig);
    assert_int_equal(rig->worker.failure.kind, FAILURE_OVERLOAD);
    assert_non_null(strstr(rig->worker.failure.text, "--overload abort"));
    assert_true(rig_answered(rig) < 5000);
    rig_close(rig);
    free(rig);
}

/* What was never answered is in the latencies with its age. */
static void unanswered_are_counted(void **state)
{
    (void)state;
    struct rig *rig = open_rig(SILENT, 10000, REQUESTS, 0);
    rig->phase.timeout_ns = 200000000;
    rig_run(rig);
    assert_int_equal(rig->worker.failure.kind, FAILURE_SILENT);
    assert_int_equal(rig->worker.counts.unanswered, CONNECTIONS);
    assert_int_equal(rig->worker.service.count, 99 * CONNECTIONS);
    assert_int_equal(rig_answered(rig), 100 * CONNECTIONS);
    assert_true(count_above(&rig->worker.latency[0], 150000000) >= CONNECTIONS);
    rig_close(rig);
    free(rig);
}

/* Nothing in flight is no silence. */
static void idle_is_no_silence(void **state)
{
    (void)state;
    struct rig *rig = open_rig(IN_ORDER, 5, 2, 0);
    rig->phase.timeout_ns = 100000000;
    rig_run(rig);
    assert_string_equal(rig->worker.failure.text, "");
    assert_int_equal(rig_answered(rig), 2);
    rig_close(rig);
    free(rig);
}

/* A batch is sent when all replies to the one before have come, one by one: so each time a server
 * reads, it gets a whole one. */
static void batches(void **state)
{
    (void)state;
    struct rig *rig = rig_make(IN_PIECES, WORKLOAD_get, 0, 1);
    rig->phase.batch = true;
    rig_run(rig);
    assert_int_equal(rig_answered(rig), REQUESTS);
    rig_close(rig);
    for (unsigned i = 0; i < CONNECTIONS; i++)
        assert_int_equal(rig->servers[i].requests, rig->servers[i].turns * WINDOW);
    free(rig);
}

int main(void)
{
    clock_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_order),
        cmocka_unit_test(out_of_order),
        cmocka_unit_test(in_pieces),
        cmocka_unit_test(errors_are_counted),
        cmocka_unit_test(misses_are_counted),
        cmocka_unit_test(bad_servers),
        cmocka_unit_test(partial_sends),
        cmocka_unit_test(stops_when_told),
        cmocka_unit_test(duration_ends),
        cmocka_unit_test(same_requests_on_the_wire),
        cmocka_unit_test(updates),
        cmocka_unit_test(updates_open),
        cmocka_unit_test(marks),
        cmocka_unit_test(phases_follow),
        cmocka_unit_test(open_sends_all),
        cmocka_unit_test(open_duration),
        cmocka_unit_test(stall_is_not_omitted),
        cmocka_unit_test(backlog_is_given_up),
        cmocka_unit_test(overload_is_dropped),
        cmocka_unit_test(backlog_is_bounded),
        cmocka_unit_test(overload_aborts),
        cmocka_unit_test(unanswered_are_counted),
        cmocka_unit_test(idle_is_no_silence),
        cmocka_unit_test(batches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
