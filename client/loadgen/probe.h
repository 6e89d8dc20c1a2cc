/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a server says about itself: it belongs to every figure taken of it.
 */
#pragma once

#include "client/loadgen/target.h"

enum { PROBE_TEXT_SIZE = 64 };

/* Texts are "" where the server does not tell. */
struct probe {
    char software[PROBE_TEXT_SIZE]; /* "cairn", "redis", "valkey" */
    char version[PROBE_TEXT_SIZE];
    char durability[PROBE_TEXT_SIZE]; /* "memory", "buffered", "strict"; of Redis: see probe.c */
    char allocator[PROBE_TEXT_SIZE];
    char threads[PROBE_TEXT_SIZE]; /* event loops, or I/O threads */
    uint64_t cpu_ns;               /* used so far, user and system; 0 if it does not tell */
    int64_t pid;                   /* of its process; 0 if it does not tell */
};

/* Ask the server, on a connection of its own that is closed again. What cannot be learned stays
 * empty; a server that does not answer is waited for two seconds. */
void probe_read(const struct target *target, struct probe *out);

/* Is it asked in RESP? */
bool probe_is_resp(const struct target *target);

/* Takes what the server answers: the result of an operation (MessagePack), or the text of INFO,
 * which ends with a zero. `into` need not outlast the call, nor does the content. */
typedef void probe_take(void *into, const char *question, struct bytes content);

/* Ask questions on a connection of its own, that is closed again: operations without arguments of a
 * cairnd, sections of INFO in RESP; the last is NULL. False: not all were answered. */
MUST_USE bool probe_ask(const struct target *target, const char *const *questions, probe_take *take,
                        void *into);

/* Send a request that is encoded already, on a connection of its own that is closed again, and wait
 * for the reply as long as for any: DRIVER_VALUE, DRIVER_NIL or DRIVER_ERROR with *out_reply, which
 * points into `answer`; DRIVER_BAD: none came. The caller frees `answer`. */
enum driver_status probe_call(const struct target *target, struct bytes request, struct buf *answer,
                              struct driver_reply *out_reply);

/* Append a question as probe_ask sends it. 0 or ERR_OUT_OF_MEMORY. */
MUST_USE int probe_encode(const struct target *target, const char *question, struct buf *out);

/* What a whole answer says, as for probe_take: it points into `data`, to which the zero may be
 * appended. False: nothing, it is a refusal. */
MUST_USE bool probe_answer(const struct target *target, struct buf *data, struct bytes *out);

/* The process of the server, if it is one of this machine beyond doubt: it is reached within the
 * machine, and what it says of itself (pid, software, CPU time) is what the kernel says of the
 * process. Else 0. */
int64_t probe_process(const struct target *target);

/* How many keys the server has, of the run or database that the target names. 0; ERR_NOT_FOUND: it
 * does not tell. */
MUST_USE int probe_keys(const struct target *target, uint64_t *out_keys);

/* As probe_read, from an answer: the result of server.info (MessagePack), or the text of INFO. */
void probe_from_info(struct bytes info, struct probe *out);
void probe_from_resp(const char *info, struct probe *out);
