/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Which CPUs threads run on: --pin client=0,2-3,server=1.
 */
#pragma once

#include "client/loadgen/options.h"

enum { PIN_CPUS = 256 };

struct pin_list {
    unsigned n; /* 0: those it had */
    unsigned short cpu[PIN_CPUS];
};

struct pin {
    struct pin_list client, server;
};

/* "": nobody is moved. 0, or ERR_BAD_ARGUMENT with a sentence. */
MUST_USE int pin_parse(const char *text, struct pin *out,
                       char out_detail[static OPTIONS_DETAIL_SIZE]);

/* Move this process, as long as it has one thread, and all threads of another (pid 0: none) to
 * their CPUs. 0, or ERR_BAD_ARGUMENT with a sentence. */
MUST_USE int pin_processes(const struct pin *pin, int64_t server_pid,
                           char out_detail[static OPTIONS_DETAIL_SIZE]);

/* Move this thread, which is the index-th, to one of the CPUs. */
void pin_thread(const struct pin *pin, unsigned index);
