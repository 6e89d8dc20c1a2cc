/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Runs: choosing one, listing those that hold records, dropping one.
 *
 * Threads: any loop.
 */
#include "common/err.h"
#include "server/ops/op_clear_job.h"
#include "server/store/scan.h"

int op_run_use(struct op_ctx *ctx, const struct args_run_use *a)
{
    int err = session_use(ctx->session, a->name.bytes);
    if (err == 0)
        reply_bytes(ctx->reply, a->name.bytes, a->name.text && mp_utf8_valid(a->name.bytes));
    return err;
}

/* The page being written; runs are fetched from the table a few at a time. */
struct run_page {
    uint64_t items, limit;
    struct bytes prefix;
    bool more;
    int failed; /* enum err */
};

/* Write one run if it holds records. False: the page ends before it. */
static bool run_write_item(struct op_ctx *ctx, struct run_page *page, const struct run *run)
{
    struct bytes name = run_name(run);
    if (!bytes_start_with(name, page->prefix))
        return false;
    uint64_t records = scan_count_run(ctx->store, run);
    if (records == 0)
        return true;
    if (page->items == page->limit) {
        page->more = true;
        return false;
    }
    reply_map(ctx->reply, 2);
    reply_key(ctx->reply, "run");
    reply_bytes(ctx->reply, name, mp_utf8_valid(name));
    reply_key(ctx->reply, "records");
    reply_uint(ctx->reply, records);
    page->items++;
    ctx->env->scratch.size = 0;
    page->failed = buf_append(&ctx->env->scratch, name.data, name.size);
    return page->failed == 0;
}

static void run_write_page(struct op_ctx *ctx, struct run_page *page, struct bytes from,
                           bool exclusive)
{
    enum { RUNS_AT_ONCE = 64 };
    struct run *runs[RUNS_AT_ONCE];
    struct run *last = NULL;
    bool go_on = true;
    while (go_on) {
        size_t n = run_page(ctx->store->runs, from, exclusive, RUNS_AT_ONCE, runs);
        for (size_t i = 0; i < n && go_on; i++)
            go_on = run_write_item(ctx, page, runs[i]);
        go_on = go_on && n == RUNS_AT_ONCE;
        run_unref(last);
        last = n > 0 ? run_ref(runs[n - 1]) : NULL;
        if (last != NULL)
            from = run_name(last);
        exclusive = true;
        for (size_t i = 0; i < n; i++)
            run_unref(runs[i]);
    }
    run_unref(last);
}

int op_run_list(struct op_ctx *ctx, const struct args_run_list *a)
{
    struct run_page page = {.prefix = a->prefix.present ? a->prefix.bytes : BYTES_NONE};
    struct bytes from = a->cursor.present ? a->cursor.bytes : page.prefix;
    int err = op_page_limit(ctx, &a->limit, &page.limit);
    if (err != 0)
        return err;
    reply_map(ctx->reply, 2);
    reply_key(ctx->reply, "items");
    size_t mark = reply_array_open(ctx->reply);
    run_write_page(ctx, &page, from, a->cursor.present);
    if (page.failed != 0)
        return page.failed;
    reply_array_close(ctx->reply, mark, page.items);
    reply_key(ctx->reply, "cursor");
    if (page.more)
        reply_bytes(ctx->reply, buf_bytes(&ctx->env->scratch), false);
    else
        reply_nil(ctx->reply);
    return 0;
}

int op_run_drop(struct op_ctx *ctx, const struct args_run_drop *a)
{
    struct run *run = run_find(ctx->store->runs, a->name.bytes);
    int err = 0;
    if (run == NULL) {
        reply_uint(ctx->reply, 0);
        return 0;
    }
    /* The job first: a run that is dropped without one would leave its records behind. */
    err = op_clear_job(ctx, run, KIND_NONE, KIND_NONE, BYTES_NONE);
    if (err != 0)
        return err;
    if (run_drop(ctx->store->runs, run)) {
        run_unref(run); /* the table's; ours is the job's */
        return 0;
    }
    ctx->job->destroy(ctx->job); /* somebody else has dropped it meanwhile */
    ctx->job = NULL;
    reply_uint(ctx->reply, 0);
    return 0;
}
