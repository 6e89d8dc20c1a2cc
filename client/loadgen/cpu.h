/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Processor time: of this process, of another one, and how many processors there are.
 */
#pragma once

#include "common/check.h"

#include <stdbool.h>
#include <stdint.h>

struct cpu_time {
    uint64_t user_ns, system_ns;
};

/* Of this process, all threads. */
struct cpu_time cpu_time_self(void);

/* What a thread had of the CPUs. */
struct cpu_thread {
    uint64_t user_ns, system_ns;
    uint64_t waiting_ns; /* as cpu_thread_waiting_ns */
    uint64_t switches;   /* it waited for something, or had to let others run */
};

/* Of this thread, until now; `from` added to `into`; what came between two such figures. */
struct cpu_thread cpu_thread_self(void);
void cpu_thread_add(struct cpu_thread *into, const struct cpu_thread *from);
struct cpu_thread cpu_thread_between(const struct cpu_thread *begin, const struct cpu_thread *end);

/* Of all threads of a process on this machine, user and system together; of threads that have ended
 * only where the kernel has no scheduler statistics. 0 or ERR_NOT_FOUND. */
MUST_USE int cpu_time_of(int64_t pid, uint64_t *out_ns);

/* Is there a process on this machine whose name begins like this? */
bool cpu_process_is(int64_t pid, const char *name);

/* How long this thread has been ready to run while others ran; 0 where the kernel does not tell. */
uint64_t cpu_thread_waiting_ns(void);

/* What all processors of this machine did, since it started. Counted in ticks of 10 ms. */
struct cpu_system {
    uint64_t user_ns, system_ns;
    uint64_t softirq_ns; /* interrupts, among them what the network does */
    uint64_t steal_ns;   /* the host ran others while processors of this machine were ready */
    uint64_t idle_ns;
};

/* All 0 where the kernel does not tell; what came between two such figures; added; together. */
struct cpu_system cpu_system_read(void);
struct cpu_system cpu_system_between(const struct cpu_system *begin, const struct cpu_system *end);
void cpu_system_add(struct cpu_system *into, const struct cpu_system *from);
uint64_t cpu_system_all_ns(const struct cpu_system *system);

/* How long the host ran others while processors of this (virtual) machine were ready, all together;
 * 0 where it does not tell. */
uint64_t cpu_stolen_ns(void);

/* Processors this process may run on; at least 1. */
unsigned cpu_count(void);
