/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What workers do for an index, a slice at a time, while there is something to do:
 *
 *   1. there should be a graph and is none: make it
 *   2. the tail: link its rows; many are linked by all workers at once
 *   3. free what no search can see any more
 *   4. a mending round, if enough rows of the graph have died
 *
 * tasks[0] leads: it does all of these, a slice of each in turn. The others only link. A slice that
 * has more to do submits itself again, behind what else waits, so that no collection keeps the
 * workers for itself.
 *
 * Slots are bounded. A row that died has its slot, and its links, until a round has ended; who
 * deletes half of a collection and stores it again is faster than that, and would have half as many
 * slots again, for ever. So a round begins when few have died, and a writer that would take more
 * slots than there should be waits, and helps: it gets room as the round advances, so that none
 * waits for the whole of it.
 *
 * Threads: workers; vindex_schedule: any that has a reference or the partition.
 * Failures: without memory for a graph or a link rows stay in the tail, where they are found as
 * well; it is tried again with the next change or sweep.
 */
#include "server/store/vindex_impl.h"

#include "common/hash.h"

bool vindex_wants_graph(const struct vindex *vindex)
{
    if (vindex->config.index == VEC_FLAT)
        return false;
    return vindex->config.index == VEC_HNSW ||
           atomic_load_explicit(&vindex->hnsw, memory_order_relaxed) != NULL ||
           atomic_load_explicit(&vindex->n_tail, memory_order_relaxed) >= VEC_AUTO_FROM;
}

static bool vindex_is_dropped(const struct vindex *vindex)
{
    return __atomic_load_n(&vindex->dropped, __ATOMIC_ACQUIRE);
}

/* ---- what is there to do ---- */

static bool vindex_wants_link(const struct vindex *vindex)
{
    return vindex_wants_graph(vindex) &&
           atomic_load_explicit(&vindex->n_tail, memory_order_acquire) > 0;
}

static bool vindex_wants_mend(const struct vindex *vindex)
{
    struct hnsw *hnsw = atomic_load_explicit(&vindex->hnsw, memory_order_acquire);
    if (hnsw == NULL || atomic_load(&vindex->pinned))
        return false;
    if (atomic_load(&vindex->mending))
        return true;
    uint32_t dead = atomic_load(&vindex->n_dead_linked), all = hnsw_count(hnsw);
    uint32_t fresh = vindex_wants_link(vindex) ? 0 : atomic_load(&vindex->n_new);
    return (dead > VINDEX_DEAD_MIN && dead > all / VINDEX_DEAD_SHARE) ||
           (fresh > VINDEX_NEW_MIN && fresh > all / VINDEX_NEW_SHARE);
}

/* Rows that died and are not linked, and records that were replaced. idle: few will do. */
static bool vindex_wants_reclaim(const struct vindex *vindex, bool idle)
{
    if (atomic_load(&vindex->pinned))
        return false;
    uint32_t dead = atomic_load(&vindex->n_dead), linked = atomic_load(&vindex->n_dead_linked);
    uint32_t n = atomic_load(&vindex->rows.n_slots);
    return atomic_load(&vindex->n_retired) > VINDEX_RETIRED_MAX ||
           (dead > linked && dead - linked > (idle ? 0 : n / (2 * VINDEX_DEAD_SHARE) + 16));
}

static bool vindex_has_work(const struct vindex *vindex)
{
    return !vindex_is_dropped(vindex) && (vindex_wants_link(vindex) || vindex_wants_mend(vindex) ||
                                          vindex_wants_reclaim(vindex, false));
}

/* ---- room ---- */

int64_t vindex_room(const struct vindex *vindex, size_t more)
{
    int64_t alive = (int64_t)vindex->rows.n_alive + (int64_t)more, most = vindex->n_most;
    most = alive > most ? alive : most;
    int64_t spare = most / VINDEX_SPARE_SHARE, slots = atomic_load(&vindex->rows.n_slots);
    int64_t should = most + (spare > VINDEX_SPARE_MIN ? spare : VINDEX_SPARE_MIN);
    return (slots > should ? slots : should) - alive - atomic_load(&vindex->n_dead);
}

/* It waits only for what workers will do. */
bool vindex_is_crowded(const struct vindex *vindex, size_t more)
{
    uint32_t left, of;
    if (vindex->store->workers == NULL || atomic_load(&vindex->pinned))
        return false;
    int64_t room = vindex_room(vindex, more);
    if (!atomic_load(&vindex->mending))
        return room < 0 && (vindex_wants_mend(vindex) || vindex_wants_reclaim(vindex, false));
    hnsw_mend_left(atomic_load_explicit(&vindex->hnsw, memory_order_acquire), &left, &of);
    return room * of < atomic_load(&vindex->mend_room) * left;
}

/* ---- linking ---- */

static struct hnsw *vindex_graph(struct vindex *vindex)
{
    struct hnsw *hnsw = atomic_load_explicit(&vindex->hnsw, memory_order_acquire), *none = NULL;
    if (hnsw != NULL)
        return hnsw;
    hnsw = hnsw_create(&vindex->rows, vindex->config.m, vindex->config.ef_construction);
    if (hnsw == NULL || atomic_compare_exchange_strong(&vindex->hnsw, &none, hnsw))
        return hnsw;
    hnsw_destroy(hnsw); /* another worker was faster */
    return none;
}

static struct hnsw_scratch *vindex_scratch(struct vindex *vindex, unsigned worker)
{
    struct hnsw_scratch *scratch = atomic_load(&vindex->scratch[worker]);
    if (scratch == NULL) {
        scratch = hnsw_scratch_create();
        atomic_store(&vindex->scratch[worker], scratch);
    }
    return scratch;
}

static bool vindex_link(struct vindex *vindex, struct hnsw *hnsw, struct hnsw_scratch *scratch,
                        uint32_t slot)
{
    const struct record *record = vindex_record(vindex, slot);
    uint64_t random =
        hash_word_bytes(&vindex->store->hash_key, VINDEX_SEED, record_key_bytes(record));
    int err = hnsw_insert(hnsw, scratch, slot, hnsw_level(hnsw, random));
    if (err != 0) {
        rows_set_state(&vindex->rows, slot, ROW_TAIL);
        return false;
    }
    atomic_fetch_sub(&vindex->n_tail, 1);
    atomic_fetch_add(&vindex->n_new, 1);
    vindex_add(&vindex->store->vectors.linked, 1);
    if (rows_dead(&vindex->rows, slot))
        atomic_fetch_add(&vindex->n_dead_linked, 1);
    return true;
}

/* The next row of the tail for this worker; ROWS_NONE: there is none for it. */
static uint32_t vindex_claim(struct vindex *vindex, uint32_t n_slots)
{
    uint32_t from = atomic_load_explicit(&vindex->link_next, memory_order_relaxed);
    for (int round = 0; round < 2; round++) {
        uint32_t slot = from < n_slots ? from : 0;
        while ((slot = rows_next_tail(&vindex->rows, slot, n_slots)) < n_slots) {
            if (!rows_dead(&vindex->rows, slot) && rows_claim(&vindex->rows, slot)) {
                atomic_store_explicit(&vindex->link_next, slot + 1, memory_order_relaxed);
                return slot;
            }
            slot++;
        }
        from = 0;
    }
    return ROWS_NONE;
}

/* Link some rows. False: there was nothing to link, or no memory. */
static bool vindex_link_slice(struct vindex *vindex, unsigned worker)
{
    struct hnsw_scratch *scratch = vindex_scratch(vindex, worker);
    bool linked = false;
    uint32_t slot;
    vindex_enter(vindex);
    struct hnsw *hnsw = scratch == NULL ? NULL : vindex_graph(vindex);
    uint32_t n_slots = atomic_load_explicit(&vindex->rows.n_slots, memory_order_acquire);
    pthread_mutex_lock(&vindex->growing);
    bool ready = hnsw != NULL && hnsw_reserve(hnsw, n_slots) == 0;
    pthread_mutex_unlock(&vindex->growing);
    for (int i = 0; ready && i < VINDEX_LINK_SLICE; i++) {
        slot = vindex_claim(vindex, n_slots);
        if (slot == ROWS_NONE || !vindex_link(vindex, hnsw, scratch, slot))
            break;
        linked = true;
    }
    vindex_leave(vindex);
    return linked;
}

/* ---- freeing ---- */

/* Rows that died and are not linked, as long as there is memory to remember them. */
static void vindex_gather_dead(const struct vindex *vindex, struct buf *out)
{
    uint32_t n_slots = atomic_load(&vindex->rows.n_slots), slot = 0;
    int err = 0;
    while (err == 0 && (slot = rows_next_tail(&vindex->rows, slot, n_slots)) < n_slots) {
        if (rows_dead(&vindex->rows, slot))
            err = buf_append(out, &slot, sizeof slot);
        slot++;
    }
}

/* The lock is held. One that is being linked at this moment is left to the graph. */
static void vindex_free_row(struct vindex *vindex, uint32_t slot)
{
    if (!rows_claim(&vindex->rows, slot))
        return;
    record_destroy(vindex_record(vindex, slot));
    rows_free(&vindex->rows, slot);
    atomic_fetch_sub(&vindex->n_dead, 1);
    atomic_fetch_sub(&vindex->n_tail, 1);
}

/* Those that nobody sees any more, a few at a time, so that the loop that puts the next row does
 * not wait for long. Of one that was dropped they may have died since, and are still found. */
static void vindex_free_rows(struct vindex *vindex, const uint32_t *slots, size_t n)
{
    bool keep = false;
    for (size_t i = 0; i < n && !keep;) {
        vindex_enter(vindex); /* else it might be pinned meanwhile */
        pthread_mutex_lock(&vindex->lock);
        keep = atomic_load(&vindex->pinned) || vindex_is_dropped(vindex);
        for (size_t end = i + VINDEX_FREE_SLICE; i < n && i < end && !keep; i++)
            vindex_free_row(vindex, slots[i]);
        pthread_mutex_unlock(&vindex->lock);
        vindex_leave(vindex);
    }
}

/* Wait until all who are in here now have left. */
static void vindex_wait_others(struct vindex *vindex)
{
    (void)pthread_rwlock_wrlock(&vindex->use);
    (void)pthread_rwlock_unlock(&vindex->use);
}

/* Take the retired records, if there is memory; the room for them stays, which has been planned
 * for.
 */
static void vindex_gather_retired(struct vindex *vindex, struct buf *out)
{
    pthread_mutex_lock(&vindex->lock);
    if (buf_append(out, vindex->retired, vindex->n_retired * sizeof(struct record *)) == 0)
        vindex->n_retired = 0;
    pthread_mutex_unlock(&vindex->lock);
}

/* What died before now: wait until no search is left that began before, and free it. */
static void vindex_reclaim(struct vindex *vindex)
{
    struct buf dead = {0}, retired = {0};
    vindex_gather_retired(vindex, &retired);
    vindex_gather_dead(vindex, &dead);
    vindex_wait_others(vindex);
    struct record **records = (struct record **)(void *)retired.data;
    for (size_t i = 0; i < retired.size / sizeof *records; i++)
        record_destroy(records[i]);
    buf_deinit(&retired);
    vindex_free_rows(vindex, (const uint32_t *)(const void *)dead.data,
                     dead.size / sizeof(uint32_t));
    buf_deinit(&dead);
}

/* ---- mending ---- */

/* Nothing links to this row any more: it is one of the tail that died. */
static void vindex_on_gone(void *context, uint32_t slot)
{
    struct vindex *vindex = context;
    (void)slot;
    atomic_fetch_add(&vindex->n_tail, 1);
    if (atomic_load(&vindex->n_dead_linked) > 0)
        atomic_fetch_sub(&vindex->n_dead_linked, 1);
}

static bool vindex_mend_begin(struct vindex *vindex, struct hnsw *hnsw)
{
    (void)pthread_rwlock_wrlock(&vindex->use);
    bool begun = !atomic_load(&vindex->pinned) && hnsw_mend_begin(hnsw) == 0;
    pthread_mutex_lock(&vindex->lock);
    int64_t room = vindex_room(vindex, 0);
    atomic_store(&vindex->mend_room, room > 0 ? room : 0);
    pthread_mutex_unlock(&vindex->lock);
    atomic_store(&vindex->mending, begun);
    if (begun)
        atomic_store(&vindex->n_new, 0);
    (void)pthread_rwlock_unlock(&vindex->use);
    return begun;
}

static void vindex_mend_end(struct vindex *vindex, struct hnsw *hnsw)
{
    (void)pthread_rwlock_wrlock(&vindex->use);
    if (!atomic_load(&vindex->pinned)) { /* else it ends with the next slice */
        hnsw_mend_end(hnsw, vindex_on_gone, vindex);
        atomic_store(&vindex->mending, false);
    }
    (void)pthread_rwlock_unlock(&vindex->use);
}

/* False: no memory. */
static bool vindex_mend_slice(struct vindex *vindex, unsigned worker)
{
    struct hnsw *hnsw = atomic_load_explicit(&vindex->hnsw, memory_order_acquire);
    struct hnsw_scratch *scratch = vindex_scratch(vindex, worker);
    bool done = false;
    if (scratch == NULL)
        return false;
    if (!atomic_load(&vindex->mending))
        return vindex_mend_begin(vindex, hnsw);
    vindex_enter(vindex);
    int err = hnsw_mend_step(hnsw, scratch, VINDEX_MEND_SLICE, &done);
    vindex_leave(vindex);
    if (err == 0 && done)
        vindex_mend_end(vindex, hnsw);
    return err == 0;
}

static void vindex_mend_help(struct vindex *vindex, unsigned worker)
{
    struct hnsw *hnsw = atomic_load_explicit(&vindex->hnsw, memory_order_acquire);
    struct hnsw_scratch *scratch = vindex_scratch(vindex, worker);
    if (scratch == NULL)
        return;
    vindex_enter(vindex);
    hnsw_mend_help(hnsw, scratch, VINDEX_MEND_SLICE);
    vindex_leave(vindex);
}

/* ---- tasks ---- */

static void vindex_submit(struct vindex *vindex, unsigned i);

/* Let the others link as well. */
static void vindex_call_others(struct vindex *vindex)
{
    if (atomic_load_explicit(&vindex->n_tail, memory_order_relaxed) < VINDEX_HELP_FROM)
        return;
    for (unsigned i = 1; i < vindex->n_tasks; i++)
        vindex_submit(vindex, i);
}

/* A slice of whatever is to be done; false: nothing came of it. */
static bool vindex_tend(struct vindex *vindex, bool leads, unsigned worker)
{
    bool linked = false, idle = false;
    if (vindex_is_dropped(vindex) || workers_stopping(vindex->store->workers))
        return false;
    if (vindex_wants_link(vindex)) {
        if (leads)
            vindex_call_others(vindex);
        linked = vindex_link_slice(vindex, worker);
        idle = !linked; /* all of the tail is dead, or another's, or there is no memory */
    }
    if (!leads)
        return linked;
    if (vindex_wants_reclaim(vindex, idle)) {
        vindex_reclaim(vindex);
        return true;
    }
    bool mended = vindex_wants_mend(vindex) && vindex_mend_slice(vindex, worker);
    return linked || mended;
}

static void vindex_run(struct task *task, unsigned worker)
{
    struct vindex_task *self = (struct vindex_task *)task;
    struct vindex *vindex = self->vindex;
    bool leads = self == &vindex->tasks[0];
    if (vindex_tend(vindex, leads, worker)) {
        workers_submit(vindex->store->workers, task, WORK_LATER);
        return;
    }
    atomic_store(&self->busy, false);
    vindex_unref(vindex);
}

static void vindex_submit(struct vindex *vindex, unsigned i)
{
    struct vindex_task *task = &vindex->tasks[i];
    if (atomic_exchange(&task->busy, true))
        return;
    task->task.run = vindex_run;
    task->vindex = vindex_ref(vindex);
    workers_submit(vindex->store->workers, &task->task, WORK_LATER);
}

void vindex_schedule(struct vindex *vindex)
{
    if (vindex->store->workers != NULL &&
        !atomic_load_explicit(&vindex->tasks[0].busy, memory_order_relaxed) &&
        vindex_has_work(vindex))
        vindex_submit(vindex, 0);
}

void vindex_help(struct vindex *vindex, unsigned worker)
{
    if (vindex_is_dropped(vindex))
        return;
    if (vindex_wants_link(vindex))
        (void)vindex_link_slice(vindex, worker);
    if (atomic_load(&vindex->mending))
        vindex_mend_help(vindex, worker);
    vindex_schedule(vindex); /* a leader that was just ending has not seen what came */
}
