/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A witness of what the machine does to those who want to run: a thread that does nothing but wake
 * up each millisecond, and adds up how late that was. It shares no code with what is tested.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct witness {
    pthread_t thread;
    bool runs;
    atomic_bool at_end;
    uint64_t lost_ns;
};

/* Start it; without a thread it sees nothing. */
void witness_start(struct witness *witness);

/* End it: the time that was lost, all together. */
uint64_t witness_stop(struct witness *witness);
