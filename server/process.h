/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the system says about this process: memory, CPU time, file descriptors.
 */
#pragma once

#include <stdint.h>

/* Zero where the system does not tell. */
struct process_figures {
    uint64_t resident_bytes, virtual_bytes;
    uint64_t cpu_us; /* user and system */
    uint64_t open_fds, max_fds;
};

/* Any thread; some system calls, of which counting many thousand descriptors takes milliseconds. */
void process_figures(struct process_figures *out_figures);

/* Resident memory in bytes by itself; 0 if the system does not tell. */
uint64_t process_resident_bytes(void);

/* CPU time so far, user and system, likewise. */
uint64_t process_cpu_us(void);
