/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The log thread: decides when to commit, and tells those who wait. And the thread beside it that
 * makes spare segments, so that no commit waits for zeros.
 *
 *   due        wanted (strict), by as many as may be expected (gather.h) | oldest unsynced entry
 *              older than the interval | too many unsynced
 *   idle       some time after a sync: a watermark, synced, proves on disk that the sync happened;
 *              damage of what was promised can then be told from a torn tail
 *   no room    again after a while
 *
 * While a commit runs, what comes is staged, and is the next commit.
 *
 * Invariant: callbacks are made here, in order, with no lock held.
 *
 * Threads: the two of them; with no_thread wal_step is both.
 * Failures: the log thread outlives a failure to tell of it, and does nothing else then.
 */
#include "server/wal/wal_impl.h"

#include "common/clock.h"
#include "common/err.h"
#include "common/thread.h"

#include <signal.h>
#include <time.h>

#define WRITER_NEVER UINT64_MAX

enum writer_work {
    WRITER_WAIT,
    WRITER_COMMIT,
    WRITER_PROVE, /* commit a watermark */
};

/* ---- telling ---- */

static bool writer_has_news(const struct wal *wal) /* under `lock` */
{
    return wal->tell_durable || wal->told != wal_state(wal);
}

void writer_tell(struct wal *wal)
{
    const struct wal_options *tell = &wal->options;
    pthread_mutex_lock(&wal->lock);
    bool durable = wal->tell_durable;
    enum wal_state state = wal_state(wal), told = wal->told;
    wal->tell_durable = false;
    wal->told = state;
    pthread_mutex_unlock(&wal->lock);
    if (state != told && tell->changed != NULL)
        tell->changed(tell->context, state);
    if (state != told && state == WAL_FAILED && tell->failed != NULL)
        tell->failed(tell->context, wal->problem);
    if (durable && tell->durable != NULL)
        tell->durable(tell->context);
}

/* ---- the log thread ---- */

/* Is this long past since then? If not, it is in *out_wait_ns at the latest. */
static bool writer_past(uint64_t since_ticks, uint64_t ns, uint64_t *out_wait_ns)
{
    uint64_t age = wal_age_ns(since_ticks);
    if (age >= ns)
        return true;
    *out_wait_ns = ns - age;
    return false;
}

/* Is there data whose sync no watermark on disk proves, and room for one? */
static bool writer_may_prove(const struct wal *wal) /* under `lock` */
{
    return wal->data_end > wal->proved_offset &&
           wal->written_offset + ENTRY_OVERHEAD <= wal->current.bytes;
}

static enum writer_work writer_due(struct wal *wal, uint64_t *out_wait_ns) /* under `lock` */
{
    uint64_t oldest = atomic_load_explicit(&wal->oldest_ticks, memory_order_relaxed);
    *out_wait_ns = WRITER_NEVER;
    if (wal_has_failed(wal))
        return WRITER_WAIT;
    if (!wal_has_room(wal))
        return writer_past(wal->blocked_ticks, (uint64_t)WAL_RETRY_MS * 1000000, out_wait_ns)
                   ? WRITER_COMMIT
                   : WRITER_WAIT;
    if (oldest == 0)
        return writer_may_prove(wal) &&
                       writer_past(wal->synced_ticks, (uint64_t)WAL_IDLE_MS * 1000000, out_wait_ns)
                   ? WRITER_PROVE
                   : WRITER_WAIT;
    if (!wal->options.strict && wal_unsynced_entries(wal) >= wal->options.sync_entries)
        return WRITER_COMMIT;
    if (wal->want_lsn > wal_durable_lsn(wal)) {
        *out_wait_ns =
            gather_wait_ns(&wal->gather, wal_unsynced_entries(wal), wal_age_ns(wal->synced_ticks));
        return *out_wait_ns == 0 ? WRITER_COMMIT : WRITER_WAIT;
    }
    return writer_past(oldest, wal->interval_ns, out_wait_ns) ? WRITER_COMMIT : WRITER_WAIT;
}

static void writer_commit(struct wal *wal, enum writer_work work)
{
    if (work == WRITER_PROVE)
        wal_note(wal, ENTRY_WATERMARK, (struct bytes){NULL, 0});
    int err = commit_write(wal, UINT64_MAX);
    if (err != ERR_IO)
        (void)!commit_sync(wal); /* what went in before there was no room */
    writer_tell(wal);
}

static void writer_sleep(struct wal *wal, pthread_cond_t *cond, uint64_t ns)
{
    if (ns == WRITER_NEVER) {
        pthread_cond_wait(cond, &wal->lock);
        return;
    }
    uint64_t until = clock_mono_ns() + ns;
    struct timespec t = {(time_t)(until / 1000000000), (long)(until % 1000000000)};
    (void)pthread_cond_timedwait(cond, &wal->lock, &t);
}

/* Signals are for the main thread. */
static void writer_name_thread(const char *name)
{
    sigset_t all;
    sigfillset(&all);
    (void)pthread_sigmask(SIG_BLOCK, &all, NULL);
    (void)pthread_setname_np(pthread_self(), name);
}

static void *writer_main(void *arg)
{
    struct wal *wal = arg;
    writer_name_thread("cairn-log");
    pthread_mutex_lock(&wal->lock);
    while (!wal->stop) {
        uint64_t wait_ns;
        enum writer_work work = writer_due(wal, &wait_ns);
        if (work == WRITER_WAIT && !writer_has_news(wal)) {
            writer_sleep(wal, &wal->work, wait_ns);
            continue;
        }
        pthread_mutex_unlock(&wal->lock);
        if (work == WRITER_WAIT)
            writer_tell(wal);
        else
            writer_commit(wal, work);
        pthread_mutex_lock(&wal->lock);
    }
    pthread_mutex_unlock(&wal->lock);
    return NULL;
}

/* ---- the thread that makes spares ---- */

/* Under `lock`, which is let go meanwhile. */
static void writer_tidy(struct wal *wal)
{
    bool past = wal->past >= 0, spare = rotate_wants_spare(wal);
    pthread_mutex_unlock(&wal->lock);
    if (past)
        rotate_forget_past(wal);
    if (spare)
        rotate_make_spare(wal);
    pthread_mutex_lock(&wal->lock);
}

static void *writer_spare_main(void *arg)
{
    struct wal *wal = arg;
    writer_name_thread("cairn-spare");
    pthread_mutex_lock(&wal->lock);
    while (!wal->stop) {
        bool again = wal->spare_err != 0 && rotate_wants_spare(wal);
        if (wal->past < 0 && (again || !rotate_wants_spare(wal)))
            writer_sleep(wal, &wal->spare_work,
                         again ? (uint64_t)WAL_RETRY_MS * 1000000 : WRITER_NEVER);
        if (!wal->stop)
            writer_tidy(wal);
    }
    pthread_mutex_unlock(&wal->lock);
    return NULL;
}

/* ---- both ---- */

int writer_start(struct wal *wal)
{
    if (wal->options.no_thread)
        return 0;
    int err = thread_create(&wal->writer, writer_main, wal);
    wal->has_writer = err == 0;
    if (err == 0)
        err = thread_create(&wal->sparer, writer_spare_main, wal);
    wal->has_sparer = wal->has_writer && err == 0;
    if (err == 0)
        return 0;
    writer_stop(wal);
    return wal_fail(wal, ".", "starting a thread", -err);
}

void writer_stop(struct wal *wal)
{
    pthread_mutex_lock(&wal->lock);
    wal->stop = true;
    pthread_cond_signal(&wal->work);
    pthread_cond_signal(&wal->spare_work);
    pthread_mutex_unlock(&wal->lock);
    if (wal->has_writer)
        (void)pthread_join(wal->writer, NULL);
    if (wal->has_sparer)
        (void)pthread_join(wal->sparer, NULL);
    wal->has_writer = wal->has_sparer = false;
}

/* Every wait is over at once, so that a test decides what happens when. */
void wal_step(struct wal *wal)
{
    REQUIRE(wal->options.no_thread);
    pthread_mutex_lock(&wal->lock);
    bool unsynced = atomic_load_explicit(&wal->oldest_ticks, memory_order_relaxed) != 0;
    bool prove = !unsynced && writer_may_prove(wal);
    bool spare = rotate_wants_spare(wal);
    pthread_mutex_unlock(&wal->lock);
    if ((unsynced || prove) && !wal_has_failed(wal))
        writer_commit(wal, unsynced ? WRITER_COMMIT : WRITER_PROVE);
    rotate_forget_past(wal);
    if (spare && !wal_has_failed(wal))
        rotate_make_spare(wal);
    writer_tell(wal);
}
