/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The CPU time of a server while a phase runs: from the kernel, if its process on this machine is
 * known; else the server itself is asked for it, on a connection of its own.
 */
#pragma once

#include "client/loadgen/probe.h"

/* What came of it. All zero: nobody wanted to know. */
struct server_cpu_told {
    const char *source; /* "process", or the question: "INFO cpu", "server.info". Constant */
    uint64_t wanted;    /* how often it was to be known */
    uint64_t asked;     /* questions sent for that */
    uint64_t answered;  /* of these, in time */
    uint64_t answer_ns; /* how long that took, all together */
};

struct server_cpu {
    int64_t pid; /* 0: the server is asked */
    struct target target;
    int fd;       /* -1: there is nobody to ask (any more) */
    bool waiting; /* the last question is not answered */
    struct buf answer;
    struct server_cpu_told told;
};

/* Begin: `pid` is the process (0: not known); `ask`: connect to the target, if it is not. Neither:
 * nothing is done, and nothing known. server_cpu_end is due. */
void server_cpu_begin(struct server_cpu *cpu, const struct target *target, int64_t pid, bool ask);
void server_cpu_end(struct server_cpu *cpu);

/* What it has used so far, user and system. A server is waited for 50 ms; if `patient`, two
 * seconds. False: it is not known now; a server that is too slow may tell the next time, one that
 * refuses, or says something else, is not asked again. */
MUST_USE bool server_cpu_read(struct server_cpu *cpu, bool patient, uint64_t *out_ns);

/* Another phase that followed. */
void server_cpu_add(struct server_cpu_told *into, const struct server_cpu_told *from);

/* Did the server leave open what it was asked: the whole (`known`), or most of its intervals? */
bool server_cpu_missing(const struct server_cpu_told *told, bool known);
