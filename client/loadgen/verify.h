/* SPDX-License-Identifier: BSD-3-Clause
 *
 * loadgen verify: does a server still hold what it has acknowledged (client/loadgen/acks.h)?
 */
#pragma once

#include "client/loadgen/acks.h"
#include "client/loadgen/value.h"

enum verify_verdict {
    VERIFY_HOLDS,      /* the value of a write that no acknowledged one has certainly replaced */
    VERIFY_UNANSWERED, /* the same, of a write that was sent, but not acknowledged: allowed */
    VERIFY_LOST,       /* no value, though a write was acknowledged */
    VERIFY_STALE,      /* a write that was answered before an acknowledged one was sent */
    VERIFY_DAMAGED,    /* a value that nobody can have written */
    VERIFY_FOREIGN,    /* a value that somebody else has written: it is not in the log */
    VERIFY_VERDICTS,
};

/* Judge the value (data NULL: there is none) of a key by all there is of it in the log, n > 0. */
enum verify_verdict verify_judge(const struct ack *acks, size_t n,
                                 const struct value_source *source, struct bytes value);

/* argv[0] is "verify". Prints to standard output, errors to standard error. Returns the exit code
 * of the process: 0, 2 for wrong usage, 3: something is not as acknowledged, or cannot be asked. */
int verify_main(int argc, char **argv);
