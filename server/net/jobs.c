/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Jobs of a loop: requests whose handlers have returned and that are not answered yet.
 *
 *   jobs_add --> [ queue ] --step--> done: answered
 *                   ^  '---not yet---'
 *                   |                '--> waits: parked until resume, which any thread may call
 *                   '------------------------'    (through the mailbox of the loop)
 *
 * Jobs in the queue take turns, a step each, for no longer than JOBS_NS in a turn of the loop,
 * however many. If the log takes no more, the next tick goes on.
 *
 * Threads: the loop's; job->resume: any.
 * Failures: memory to remember a job; it is destroyed then.
 */
#include "server/net/jobs.h"

#include "common/clock.h"
#include "common/err.h"
#include "common/mem.h"
#include "server/net/conn.h"
#include "server/ops/dispatch.h"

enum { JOBS_NS = 200000 }; /* and the rest of a slice */

static void jobs_on_idle(uv_idle_t *handle);

void jobs_init(struct loop *loop)
{
    loop->jobs_end = &loop->jobs;
}

bool jobs_any(const struct loop *loop)
{
    return loop->jobs != NULL || loop->parked != NULL;
}

void jobs_go_on(struct loop *loop)
{
    if (loop->jobs != NULL)
        (void)uv_idle_start(&loop->idle, jobs_on_idle);
}

static void jobs_forget_in(struct loop_job *entry, const struct conn *conn)
{
    for (; entry != NULL; entry = entry->next)
        if (entry->conn == conn)
            entry->conn = NULL;
}

void jobs_forget(struct loop *loop, const struct conn *conn)
{
    jobs_forget_in(loop->jobs, conn);
    jobs_forget_in(loop->parked, conn);
}

static void jobs_queue(struct loop *loop, struct loop_job *entry)
{
    entry->next = NULL;
    *loop->jobs_end = entry;
    loop->jobs_end = &entry->next;
}

static struct loop_job *jobs_take(struct loop *loop)
{
    struct loop_job *entry = loop->jobs;
    loop->jobs = entry->next;
    if (loop->jobs == NULL)
        loop->jobs_end = &loop->jobs;
    return entry;
}

/* ---- those that wait ---- */

static void jobs_park(struct loop *loop, struct loop_job *entry)
{
    entry->next = loop->parked;
    entry->link = &loop->parked;
    if (entry->next != NULL)
        entry->next->link = &entry->next;
    loop->parked = entry;
}

/* On the loop: it has been parked, as the step during which it was told to go on has ended. */
static void jobs_run_resume(struct mail *mail, void *owner)
{
    struct loop_job *entry = (struct loop_job *)mail;
    struct loop *loop = owner;
    *entry->link = entry->next;
    if (entry->next != NULL)
        entry->next->link = entry->link;
    entry->job->waits = false;
    jobs_queue(loop, entry);
    jobs_go_on(loop);
}

/* Any thread. */
static void jobs_resume(struct job *job)
{
    struct loop_job *entry = job->owner;
    mailbox_post(&entry->loop->mailbox, &entry->mail);
}

int jobs_add(struct loop *loop, struct conn *conn, struct job *job, uint32_t tag, bool silent)
{
    struct loop_job *entry = mem_alloc(sizeof *entry);
    if (entry == NULL) {
        job->destroy(job);
        return ERR_OUT_OF_MEMORY;
    }
    *entry = (struct loop_job){.mail.run = jobs_run_resume,
                               .loop = loop,
                               .job = job,
                               .conn = conn,
                               .tag = tag,
                               .silent = silent};
    job->owner = entry;
    job->resume = jobs_resume;
    jobs_queue(loop, entry);
    conn->n_jobs++;
    return uv_idle_start(&loop->idle, jobs_on_idle);
}

static void jobs_finish(struct loop *loop, struct loop_job *entry)
{
    struct conn *conn = entry->conn;
    if (conn != NULL) {
        size_t reply_bytes;
        if (conn->out.data == NULL)
            conn->out = loop_borrow(loop);
        size_t mark = conn->out.size;
        uint64_t from = conn_stream_end(conn);
        loop->env.synced_first = 0;
        conn->n_jobs--;
        if (conn->front->finish(conn, entry->tag, entry->silent, entry->job) != 0)
            conn_leave(conn);
        reply_bytes = conn->out.size - mark;
        dispatch_end_job(&loop->env, entry->job, reply_bytes);
        conn_hold(conn, from, loop->env.synced_first);
        conn_mark_dirty(conn);
        conn_resume(conn);
        if (conn->eof && conn->n_jobs == 0 && !conn->blocked)
            conn_leave(conn);
    } else {
        dispatch_end_job(&loop->env, entry->job, 0);
    }
    mem_free(entry);
}

static void jobs_on_idle(uv_idle_t *handle)
{
    struct loop *loop = handle->data;
    uint64_t until = clock_mono_ns() + JOBS_NS;
    if (loop_may_not_append(loop)) {
        (void)uv_idle_stop(handle);
        return;
    }
    loop_see_time(loop);
    while (loop->jobs != NULL && clock_mono_ns() < until) {
        struct loop_job *entry = jobs_take(loop);
        if (dispatch_step(&loop->env, entry->job))
            jobs_finish(loop, entry);
        else if (entry->job->waits)
            jobs_park(loop, entry);
        else
            jobs_queue(loop, entry);
    }
    if (loop->jobs == NULL)
        (void)uv_idle_stop(handle);
}
