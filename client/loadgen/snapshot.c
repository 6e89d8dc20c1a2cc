/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Looks at workers while they run.
 *
 * How: histograms of all workers are merged; whoever wants an interval subtracts what was there
 * before. CPU time is that of the clock of each thread, which costs the threads nothing.
 *
 * Invariants: nothing here writes what a worker reads.
 * Threads: the main thread. Failures: none; a server of which nothing is known is left out.
 */
#include "client/loadgen/snapshot.h"

#include "client/loadgen/worker.h"
#include "common/clock.h"

#define SNAPSHOT_SATURATED 0.9

void snapshot_take(struct snapshot *out, const struct phase *phase, struct worker *const *workers,
                   unsigned n_workers)
{
    hist_init(&out->latency);
    hist_init(&out->slip);
    out->errors = out->conn_ns = 0;
    out->cpu = (struct snapshot_cpu){.has_server = false};
    for (unsigned kind = 0; kind < phase->workload->n_shapes; kind++) {
        hist_init(&out->kind[kind]);
        for (unsigned i = 0; i < n_workers; i++) {
            hist_merge(&out->kind[kind], &workers[i]->latency[kind]);
            if (phase->law.rate > 0)
                hist_merge(&out->slip, &workers[i]->times[kind].slip);
        }
        hist_merge(&out->latency, &out->kind[kind]);
    }
    for (unsigned i = 0; i < n_workers; i++) {
        out->errors += worker_load(&workers[i]->counts.errors);
        if (i < SNAPSHOT_THREADS)
            out->cpu.thread_ns[i] = worker_cpu_ns(workers[i]);
    }
    out->now_ns = clock_mono_ns();
}

/* Threads of a server that have ended are counted no more. */
static uint64_t snapshot_more(uint64_t before, uint64_t now)
{
    return now > before ? now - before : 0;
}

struct snapshot_used snapshot_used(const struct snapshot_cpu *before,
                                   const struct snapshot_cpu *now)
{
    struct snapshot_used used = {.has_server = before->has_server && now->has_server};
    for (unsigned i = 0; i < SNAPSHOT_THREADS; i++) {
        uint64_t ns = snapshot_more(before->thread_ns[i], now->thread_ns[i]);
        used.client_ns += ns;
        used.busiest_ns = ns > used.busiest_ns ? ns : used.busiest_ns;
    }
    if (used.has_server)
        used.server_ns = snapshot_more(before->server_ns, now->server_ns);
    return used;
}

void snapshot_used_add(struct snapshot_used *into, const struct snapshot_used *from)
{
    into->client_ns += from->client_ns;
    into->busiest_ns += from->busiest_ns;
    into->has_server = into->has_server && from->has_server;
    into->server_ns += from->server_ns;
}

static double snapshot_per(uint64_t ns, double by)
{
    return by > 0 ? (double)ns / by : 0;
}

bool snapshot_saturated(const struct snapshot_used *used, uint64_t length_ns)
{
    return snapshot_per(used->busiest_ns, (double)length_ns) > SNAPSHOT_SATURATED;
}

static void snapshot_write_per_op(struct writer *json, const char *key, uint64_t ns,
                                  uint64_t requests)
{
    if (requests > 0)
        writer_real(json, key, snapshot_per(ns, 1e3 * (double)requests));
}

void snapshot_write(struct writer *json, const struct snapshot_used *used, uint64_t length_ns,
                    unsigned threads, uint64_t requests)
{
    double length = (double)length_ns;
    writer_uint(json, "client_cpu_ns", used->client_ns);
    writer_real(json, "client_share", snapshot_per(used->client_ns, length * threads));
    writer_real(json, "client_busy", snapshot_per(used->busiest_ns, length));
    snapshot_write_per_op(json, "client_us_per_op", used->client_ns, requests);
    if (!used->has_server)
        return;
    writer_uint(json, "server_cpu_ns", used->server_ns);
    snapshot_write_per_op(json, "server_us_per_op", used->server_ns, requests);
}
