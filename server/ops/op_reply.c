/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What many handlers share when they reply: the version of their transaction, the size of a page.
 *
 * The version is known at the commit. In an atomic batch that is after all replies have been
 * written, so they get places that are filled in at the end (op_batch.c).
 *
 * Threads: the loop of the request.
 */
#include "common/err.h"
#include "server/ops/ops.h"
#include "server/store/journal.h"

/* Remember a place for the version of the batch. */
static void op_batch_version_at(struct op_batch *batch, struct reply *reply, size_t place)
{
    if (reply->failed == 0)
        reply->failed = buf_append(&batch->places, &place, sizeof place);
}

size_t op_reply_version_later(struct op_ctx *ctx)
{
    size_t place = reply_uint_later(ctx->reply);
    if (ctx->batch != NULL)
        op_batch_version_at(ctx->batch, ctx->reply, place);
    return place;
}

void op_reply_version_now(struct op_ctx *ctx, size_t place, uint64_t version)
{
    if (ctx->batch == NULL)
        reply_uint_now(ctx->reply, place, version);
}

void op_reply_version(struct op_ctx *ctx, uint64_t version)
{
    if (ctx->batch == NULL)
        reply_uint(ctx->reply, version);
    else
        (void)op_reply_version_later(ctx);
}

int op_page_limit(struct op_ctx *ctx, const struct arg *limit, uint64_t *out_limit)
{
    enum { PAGE_DEFAULT = 100 };
    uint64_t max = ctx->env->limits->page_items;
    if (limit->present && limit->uint == 0)
        return problem_set(ctx->problem, ERR_BAD_ARGUMENT, "'limit' must be at least 1");
    if (limit->present && limit->uint > max)
        return problem_set(ctx->problem, ERR_LIMIT_EXCEEDED,
                           "'limit' exceeds limits.page_items (%llu)", (unsigned long long)max);
    *out_limit = limit->present ? limit->uint : PAGE_DEFAULT;
    return 0;
}

void op_problem(struct problem *problem, int err)
{
    if (err != ERR_LIMIT_EXCEEDED)
        (void)problem_set(problem, err, NULL);
    else /* of a transaction, the only one that is not worded where it is met */
        (void)problem_set(problem, err,
                          "one transaction writes at most %zu MiB to the log; do less at once",
                          JOURNAL_BODY_MAX >> 20);
}
