/* SPDX-License-Identifier: BSD-3-Clause
 *
 * vec.*: being written.
 */
#include "server/ops/ops.h"

#include "common/err.h"

int op_vec_create(struct op_ctx *ctx, const struct args_vec_create *a)
{
    (void)a;
    return problem_set(ctx->problem, ERR_UNSUPPORTED, NULL);
}

int op_vec_drop(struct op_ctx *ctx, const struct args_vec_drop *a)
{
    (void)a;
    return problem_set(ctx->problem, ERR_UNSUPPORTED, NULL);
}

int op_vec_list(struct op_ctx *ctx, const struct args_vec_list *a)
{
    (void)a;
    return problem_set(ctx->problem, ERR_UNSUPPORTED, NULL);
}

int op_vec_info(struct op_ctx *ctx, const struct args_vec_info *a)
{
    (void)a;
    return problem_set(ctx->problem, ERR_UNSUPPORTED, NULL);
}

int op_vec_upsert(struct op_ctx *ctx, const struct args_vec_upsert *a)
{
    (void)a;
    return problem_set(ctx->problem, ERR_UNSUPPORTED, NULL);
}

int op_vec_upsert_many(struct op_ctx *ctx, const struct args_vec_upsert_many *a)
{
    (void)a;
    return problem_set(ctx->problem, ERR_UNSUPPORTED, NULL);
}

int op_vec_get(struct op_ctx *ctx, const struct args_vec_get *a)
{
    (void)a;
    return problem_set(ctx->problem, ERR_UNSUPPORTED, NULL);
}

int op_vec_get_many(struct op_ctx *ctx, const struct args_vec_get_many *a)
{
    (void)a;
    return problem_set(ctx->problem, ERR_UNSUPPORTED, NULL);
}

int op_vec_delete(struct op_ctx *ctx, const struct args_vec_delete *a)
{
    (void)a;
    return problem_set(ctx->problem, ERR_UNSUPPORTED, NULL);
}

int op_vec_set_metadata(struct op_ctx *ctx, const struct args_vec_set_metadata *a)
{
    (void)a;
    return problem_set(ctx->problem, ERR_UNSUPPORTED, NULL);
}

int op_vec_count(struct op_ctx *ctx, const struct args_vec_count *a)
{
    (void)a;
    return problem_set(ctx->problem, ERR_UNSUPPORTED, NULL);
}

int op_vec_keys(struct op_ctx *ctx, const struct args_vec_keys *a)
{
    (void)a;
    return problem_set(ctx->problem, ERR_UNSUPPORTED, NULL);
}

int op_vec_search(struct op_ctx *ctx, const struct args_vec_search *a)
{
    (void)a;
    return problem_set(ctx->problem, ERR_UNSUPPORTED, NULL);
}

int op_vec_search_many(struct op_ctx *ctx, const struct args_vec_search_many *a)
{
    (void)a;
    return problem_set(ctx->problem, ERR_UNSUPPORTED, NULL);
}
