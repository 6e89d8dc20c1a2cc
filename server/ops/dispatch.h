/* SPDX-License-Identifier: BSD-3-Clause
 *
 * From a decoded request to its reply, whatever protocol it came in.
 */
#pragma once

#include "server/ops/ops.h"

/* Two passes over a batch of decoded requests before they run: fetch the slots, then the records,
 * that KEYED operations will read. Hints only. */
void dispatch_prefetch(struct op_env *env, const struct session *session, struct request *request);
void dispatch_prefetch_record(struct op_env *env, const struct request *request);

/* From now on time passes for the next request. Before the first of those that run one after the
 * other: the end of each is the start of the next. */
void dispatch_start_clock(struct op_env *env);

/* Run a request and write its reply into `out`. Returns NULL, or a job that the loop must carry on
 * with; its reply is then written by dispatch_finish. On lack of memory for the reply *out_failed
 * is set, and the connection cannot go on. */
struct job *dispatch_run(struct op_env *env, struct session *session, const struct request *request,
                         struct buf *out, bool *out_failed);

/* The same for protocols that word their replies themselves: on 0 the result alone is added to
 * `out`, as MessagePack, or *out_job is set; else *problem says why there is none. */
MUST_USE int dispatch_plain(struct op_env *env, struct session *session,
                            const struct request *request, struct buf *out, struct problem *problem,
                            struct job **out_job);

/* And the result of a finished job. */
MUST_USE int dispatch_finish_plain(struct op_env *env, const struct session *session,
                                   struct job *job, struct buf *out, struct problem *problem);

/* The reply of a finished job, or of a request that never became one (`problem` not NULL). */
MUST_USE int dispatch_finish(struct op_env *env, const struct session *session, uint32_t msgid,
                             bool notification, struct job *job, const struct problem *problem,
                             struct buf *out);

/* One slice of a job; true when it is done. Then, after the answer or when nobody waits for one,
 * its end: count its time, destroy it. */
bool dispatch_step(struct op_env *env, struct job *job);
void dispatch_end_job(struct op_env *env, struct job *job, size_t reply_bytes);

/* Read "memory", "buffered" or "strict": 0, or BAD_ARGUMENT or UNSUPPORTED if this server has no
 * log.
 */
MUST_USE int dispatch_read_durability(const struct store *store, struct bytes word,
                                      enum durability *out_level, struct problem *problem);

/* What is about to be sent rests on this LSN: note it in env->written_first, and in synced_first if
 * `level` promises as much. */
void dispatch_rest_on(struct op_env *env, enum durability level, uint64_t lsn);

/* Run the handler of ctx->request inside ctx->txn, with checks (login, flags, durability, run). For
 * batches; 0, an error with ctx->problem, or TXN_RETRY. */
MUST_USE int dispatch_call(struct op_ctx *ctx);

/* Find the run of ctx->request and set ctx->run. 0 or an error with ctx->problem. */
MUST_USE int dispatch_find_run(struct op_ctx *ctx);
