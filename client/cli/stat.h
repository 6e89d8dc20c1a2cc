/* SPDX-License-Identifier: BSD-3-Clause
 *
 * cairn --stat: what the server does, a line for each interval.
 */
#pragma once

#include "client/cli/session.h"

enum { STAT_LINE_BYTES = 160 };

/* The counters of server.stats that the lines are made of. */
struct stat_sample {
    uint64_t taken_ns; /* of clock_mono_ns */
    uint64_t requests, errors, keyspace_hits, keyspace_misses, received_bytes, sent_bytes;
    uint64_t connections, records, memory_used_bytes;
};

/* Read the counters out of the result of server.stats; a counter that it lacks is 0. False: the
 * result is something else. */
bool stat_parse(struct bytes result, struct stat_sample *out);

/* The line with the names, and one on what happened between two samples. */
void stat_head(char out[STAT_LINE_BYTES]);
void stat_line(const struct stat_sample *before, const struct stat_sample *after,
               char out[STAT_LINE_BYTES]);

/* A number in at most 6 characters: 999, 12.3k, 1.50G; with a unit of bytes 12.3K, 1.50G (of
 * 1024). */
void stat_short(double number, bool bytes, char out[16]);

/* Print lines until --count of them are there, or for ever. An exit code. */
int stat_run(struct session *session);
