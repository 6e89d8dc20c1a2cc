/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the server itself says of a test: its counters before and after. A cairnd is asked by
 * server.info and server.stats; whatever speaks RESP by INFO all, and believed as far as it tells.
 */
#pragma once

#include "client/loadgen/probe.h"

enum { SERVER_OPS = 96, SERVER_NAME_SIZE = 40 };

/* An operation, since the server started. */
struct server_op {
    char name[SERVER_NAME_SIZE];
    uint64_t calls, failed;
    double spent_us;       /* in executing it, all together */
    double p50_us, p99_us; /* 0: it does not tell */
};

/* All counters since the server started. What is not told is 0. */
struct server_state {
    bool known;
    char durability[PROBE_TEXT_SIZE];
    uint64_t requests; /* a batch is one */
    uint64_t memory_used, memory_resident;
    uint64_t evicted, expired, log_writes, log_syncs;
    struct server_op ops[SERVER_OPS];
    unsigned n_ops;
    uint64_t ungreeted; /* questions since the answer before on connections without a ping, as CPU
                           time is asked for */
};

/* What changed in between. */
struct server_change {
    bool known;
    char durability[PROBE_TEXT_SIZE];
    uint64_t requests; /* without those by which loadgen asks */
    uint64_t used_before, used_after, resident_before, resident_after;
    uint64_t evicted, expired, log_writes, log_syncs;
    struct server_op ops[SERVER_OPS]; /* calls, failed, spent_us: of the test; p50_us, p99_us: since
                                         the server started */
    bool exact[SERVER_OPS];           /* it had not been called before: they are of the test, too */
    unsigned n_ops;
};

/* Ask the server. out->known is false if it does not answer; it is waited for as by probe_read. */
void server_stats_read(const struct target *target, struct server_state *out);

/* The parts of that, from answers: server.info, server.stats, and the text of INFO all. */
void server_stats_from_info(struct bytes info, struct server_state *out);
void server_stats_from_stats(struct bytes stats, struct server_state *out);
void server_stats_from_resp(const char *info, struct server_state *out);

/* What happened between two answers, if both are known. */
void server_stats_change(const struct server_state *before, const struct server_state *after,
                         struct server_change *out);

/* Another test that followed. */
void server_stats_add(struct server_change *into, const struct server_change *from);

/* Mean time to execute an operation, over all of the test, in us; 0 if there was none. */
double server_stats_mean_us(const struct server_change *change);

/* The operation that was called most often; NULL: there is none. */
const struct server_op *server_stats_main(const struct server_change *change);
