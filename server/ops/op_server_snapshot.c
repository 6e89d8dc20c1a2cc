/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Operations about snapshots and recovery. The layers above do and know it (op_host).
 *
 * Threads: any loop.
 */
#include "common/err.h"
#include "server/ops/ops.h"

static int snapshot_check(struct op_ctx *ctx)
{
    if (ctx->store->wal != NULL)
        return 0;
    return problem_set(ctx->problem, ERR_UNSUPPORTED,
                       "durability.mode is memory: there is no log and there are no snapshots");
}

int op_server_snapshot(struct op_ctx *ctx, const struct args_server_snapshot *a)
{
    const struct op_host *host = ctx->env->host;
    (void)a;
    int err = snapshot_check(ctx);
    if (err != 0)
        return err;
    reply_map(ctx->reply, 2);
    reply_key(ctx->reply, "started");
    reply_bool(ctx->reply, host->snapshot(host->self));
    reply_key(ctx->reply, "running");
    reply_bool(ctx->reply, true);
    return 0;
}

int op_server_snapshots(struct op_ctx *ctx, const struct args_server_snapshots *a)
{
    const struct op_host *host = ctx->env->host;
    (void)a;
    int err = snapshot_check(ctx);
    if (err == 0)
        host->snapshots(host->self, ctx->reply);
    return err;
}

int op_server_recovery_report(struct op_ctx *ctx, const struct args_server_recovery_report *a)
{
    const struct op_host *host = ctx->env->host;
    (void)a;
    int err = snapshot_check(ctx);
    if (err == 0)
        host->recovery(host->self, ctx->reply);
    return err;
}
