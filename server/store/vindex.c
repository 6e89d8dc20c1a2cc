/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The life of an index, and what happens to it when records are applied: see vindex.h.
 *
 *   put, new key or vector     rows_add -> the slot goes into the record; an old row is killed
 *   put, the same vector       rows_move to the new record; the old record is retired
 *   del                        rows_kill
 *
 * Whose record is it? That of a living row is the partition's; that of a dead row and a retired one
 * are the index's, which frees them when no search is left that could see them: at once if there is
 * no reference besides the table's, else by vindex_tend.
 *
 * An index that is dropped leaves the table when nobody has another reference, and goes onto a list
 * of the store, which workers empty; so a drop takes the same time whatever there is to free.
 *
 * Invariants
 *   1. Every vector record in the partition has a living row, and the other way round; the slot is
 *      in the record (record_count).
 *   2. References are taken with the partition locked, or by who has one. So with one reference
 * left
 *      and the partition locked nobody else is in here.
 *
 * Failures: memory, while planning.
 */
#include "server/store/vindex_impl.h"

#include "common/err.h"
#include "common/mem.h"
#include "common/rng.h"
#include "server/store/group.h"

/* ---- the table of a partition ---- */

static bool vindex_equal(const void *item, const void *key)
{
    return ((const struct vindex *)item)->generation == *(const uint64_t *)key;
}

static uint64_t vindex_hash(const void *item, const void *context)
{
    (void)context;
    return rng_mix(((const struct vindex *)item)->generation);
}

static const struct hmap_type vindex_type = {vindex_equal, vindex_hash, NULL};

void vindex_table_init(struct partition *partition)
{
    hmap_init(&partition->vindexes, &vindex_type);
}

static struct vindex *vindex_look_up(const struct partition *partition, uint64_t generation)
{
    if (hmap_count(&partition->vindexes) == 0)
        return NULL;
    return hmap_find(&partition->vindexes, rng_mix(generation), &generation);
}

struct vindex *vindex_find(const struct partition *partition, uint64_t generation)
{
    struct vindex *vindex = vindex_look_up(partition, generation);
    return vindex == NULL || vindex->dropped ? NULL : vindex_ref(vindex);
}

struct vindex *vindex_ref(struct vindex *vindex)
{
    atomic_fetch_add_explicit(&vindex->refs, 1, memory_order_relaxed);
    return vindex;
}

void vindex_unref(struct vindex *vindex)
{
    atomic_fetch_sub_explicit(&vindex->refs, 1, memory_order_release);
}

/* Has nobody but the table a reference? The partition is locked. */
static bool vindex_alone(const struct vindex *vindex)
{
    return atomic_load_explicit(&vindex->refs, memory_order_acquire) == 1;
}

/* ---- life ---- */

static const enum rows_codes vindex_codes[VEC_QUANTIZATION_COUNT] = {
    [VEC_NONE] = CODES_NONE,
    [VEC_INT8] = CODES_BESIDE,
    [VEC_INT8_ONLY] = CODES_ONLY,
};

struct vindex *vindex_create(struct store *store, const struct vec_collection *collection)
{
    struct vindex *vindex = mem_calloc(1, sizeof *vindex);
    unsigned n = store->workers == NULL ? 0 : workers_count(store->workers);
    if (vindex == NULL)
        return NULL;
    vindex->tasks = mem_calloc(n + 1, sizeof *vindex->tasks);
    vindex->scratch = mem_calloc(n + 1, sizeof(*vindex->scratch));
    if (vindex->tasks == NULL || vindex->scratch == NULL) {
        mem_free(vindex->tasks);
        mem_free(vindex->scratch);
        mem_free(vindex);
        return NULL;
    }
    pthread_rwlockattr_t writers_first;
    (void)pthread_rwlockattr_init(&writers_first);
    (void)pthread_rwlockattr_setkind_np(&writers_first,
                                        PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    (void)pthread_rwlock_init(&vindex->use, &writers_first);
    (void)pthread_rwlockattr_destroy(&writers_first);
    (void)pthread_mutex_init(&vindex->lock, NULL);
    (void)pthread_mutex_init(&vindex->growing, NULL);
    vindex->refs = 1;
    vindex->store = store;
    vindex->generation = collection->generation;
    vindex->config = collection->config;
    vindex->n_tasks = n;
    rows_init(&vindex->rows, collection->config.dim, collection->config.metric,
              vindex_codes[collection->config.quantization], kernels_best());
    return vindex;
}

struct record *vindex_record(const struct vindex *vindex, uint32_t slot)
{
    return rows_item(&vindex->rows, slot);
}

/* Nobody is in here, and the partition has no such index any more. */
static void vindex_destroy_now(struct vindex *vindex)
{
    uint32_t n = atomic_load(&vindex->rows.n_slots);
    for (uint32_t slot = 0; slot < n; slot++)
        if (rows_state(&vindex->rows, slot) != ROW_FREE && rows_dead(&vindex->rows, slot))
            record_destroy(vindex_record(vindex, slot));
    for (uint32_t i = 0; i < vindex->n_retired; i++)
        record_destroy(vindex->retired[i]);
    for (unsigned i = 0; i <= vindex->n_tasks; i++)
        hnsw_scratch_destroy(vindex->scratch[i]);
    if (vindex->hnsw != NULL)
        hnsw_destroy(vindex->hnsw);
    rows_deinit(&vindex->rows);
    pthread_rwlock_destroy(&vindex->use);
    pthread_mutex_destroy(&vindex->lock);
    pthread_mutex_destroy(&vindex->growing);
    mem_free(vindex->retired);
    mem_free(vindex->scratch);
    mem_free(vindex->tasks);
    mem_free(vindex);
}

static void vindex_run_rest(struct task *task, unsigned worker);

static void vindex_submit_destroy(struct vindex *vindex, void (*run)(struct task *, unsigned))
{
    vindex->tasks[0] = (struct vindex_task){.task.run = run, .vindex = vindex};
    workers_submit(vindex->store->workers, &vindex->tasks[0].task, WORK_LATER);
}

/* This one and those behind it: some, by what there is to free, then the others behind what else
 * waits. */
static void vindex_destroy_some(struct vindex *vindex)
{
    uint64_t freed = 0;
    while (vindex != NULL && freed < VINDEX_DESTROY_SLICE) {
        struct vindex *next = vindex->next;
        freed += VINDEX_DESTROY_ROWS + atomic_load(&vindex->rows.n_slots);
        vindex_destroy_now(vindex);
        vindex = next;
    }
    if (vindex != NULL)
        vindex_submit_destroy(vindex, vindex_run_rest);
}

static void vindex_run_rest(struct task *task, unsigned worker)
{
    (void)worker;
    vindex_destroy_some(((struct vindex_task *)task)->vindex);
}

/* Submitted with the first on the list: all of it is ours now; the next to come begins another. */
static void vindex_run_dropped(struct task *task, unsigned worker)
{
    struct store *store = ((struct vindex_task *)task)->vindex->store;
    (void)worker;
    vindex_destroy_some(atomic_exchange_explicit(&store->dropped, NULL, memory_order_acquire));
}

/* Freeing one takes as long as it is large, and one command may drop thousands: never on a loop. If
 * there are others on the list, it may be gone as soon as it is there, too. */
static void vindex_destroy(struct vindex *vindex)
{
    struct store *store = vindex->store;
    if (store->workers == NULL) {
        vindex_destroy_now(vindex);
        return;
    }
    struct vindex *others = atomic_load_explicit(&store->dropped, memory_order_relaxed);
    do
        vindex->next = others;
    while (!atomic_compare_exchange_weak_explicit(&store->dropped, &others, vindex,
                                                  memory_order_release, memory_order_relaxed));
    if (others == NULL)
        vindex_submit_destroy(vindex, vindex_run_dropped);
}

static void vindex_forget(struct partition *partition, struct vindex *vindex)
{
    hmap_remove(&partition->vindexes, rng_mix(vindex->generation), vindex);
    partition->vindex_bytes -= vindex->reported_bytes;
    vindex_add(&vindex->store->vectors.bytes, 0 - (uint64_t)vindex->reported_bytes);
    vindex_add(&vindex->store->vectors.vectors, 0 - (uint64_t)vindex->rows.n_alive);
    vindex_add(&vindex->store->vectors.collections, UINT64_MAX);
    vindex_destroy(vindex);
}

void vindex_table_deinit(struct partition *partition)
{
    size_t position = 0, slots = SIZE_MAX;
    struct vindex *vindex;
    while ((vindex = hmap_walk(&partition->vindexes, &position, &slots)) != NULL)
        vindex_destroy_now(vindex);
    hmap_deinit(&partition->vindexes);
}

/* ---- planning ---- */

/* Room for `n` more rows, and as many records to retire. */
static int vindex_reserve(struct vindex *vindex, size_t n)
{
    int err = 0;
    pthread_mutex_lock(&vindex->lock);
    if (vindex->n_retired + n > vindex->retired_capacity) {
        size_t capacity = 2 * vindex->retired_capacity + n + 14;
        struct record **retired = mem_realloc(vindex->retired, capacity * sizeof *retired);
        err = retired == NULL ? ERR_OUT_OF_MEMORY : 0;
        if (err == 0) {
            vindex->retired = retired;
            vindex->retired_capacity = (uint32_t)capacity;
        }
    }
    if (err == 0)
        err = rows_reserve(&vindex->rows, (uint32_t)n);
    pthread_mutex_unlock(&vindex->lock);
    return err;
}

static int vindex_plan_collection(struct store *store, struct partition *partition,
                                  struct effect *effect)
{
    struct vec_collection collection;
    if (!vec_read_collection(effect->spec.value, &collection) ||
        vindex_look_up(partition, collection.generation) != NULL)
        return 0;
    effect->index = vindex_create(store, &collection);
    if (effect->index == NULL || hmap_reserve(&partition->vindexes, ++partition->planned_rows) != 0)
        return ERR_OUT_OF_MEMORY;
    return vindex_reserve(effect->index, 1); /* a vector may come in the same transaction */
}

static struct vindex *vindex_of(const struct partition *partition, const struct record_key *key)
{
    struct group group;
    struct bytes rest;
    return group_read(key, &group, &rest) ? vindex_look_up(partition, group.generation) : NULL;
}

int vindex_plan(struct store *store, struct partition *partition, struct effect *effect)
{
    if (effect->spec.key.kind == KIND_collection)
        return vindex_plan_collection(store, partition, effect);
    struct vindex *vindex = vindex_of(partition, &effect->spec.key);
    return vindex == NULL ? 0 : vindex_reserve(vindex, ++partition->planned_rows);
}

size_t vindex_row_bytes(const struct vec_config *config)
{
    enum { ROW_BYTES = 24 };
    size_t links = config->index == VEC_FLAT ? 0 : 4 * (2 * (size_t)config->m + 2);
    static const size_t steps = 8;
    size_t codes = config->quantization == VEC_INT8        ? config->dim + 64
                   : config->quantization == VEC_INT8_ONLY ? steps
                                                           : 0;
    return ROW_BYTES + links + codes;
}

/* ---- applying ---- */

static void vindex_report(struct partition *partition, struct vindex *vindex)
{
    struct hnsw *hnsw = atomic_load(&vindex->hnsw);
    pthread_mutex_lock(&vindex->lock); /* workers free rows */
    size_t bytes = sizeof *vindex + rows_bytes(&vindex->rows) +
                   (hnsw == NULL ? 0 : hnsw_bytes(hnsw)) +
                   vindex->retired_capacity * sizeof(struct record *);
    pthread_mutex_unlock(&vindex->lock);
    partition->vindex_bytes += bytes - vindex->reported_bytes;
    vindex_add(&vindex->store->vectors.bytes, bytes - vindex->reported_bytes);
    vindex->reported_bytes = bytes;
}

/* A row dies; its record is ours. Freed at once if that is possible. */
static void vindex_kill(struct vindex *vindex, uint32_t slot)
{
    pthread_mutex_lock(&vindex->lock);
    rows_kill(&vindex->rows, slot);
    vindex_add(&vindex->store->vectors.vectors, UINT64_MAX);
    if (vindex_alone(vindex) && rows_state(&vindex->rows, slot) == ROW_TAIL && !vindex->pinned) {
        record_destroy(vindex_record(vindex, slot));
        rows_free(&vindex->rows, slot);
        atomic_fetch_sub(&vindex->n_tail, 1);
    } else {
        atomic_fetch_add(&vindex->n_dead, 1);
        if (rows_state(&vindex->rows, slot) == ROW_LINKED)
            atomic_fetch_add(&vindex->n_dead_linked, 1);
    }
    pthread_mutex_unlock(&vindex->lock);
}

/* Another record with the same vector takes the place of this one, which is ours. */
static void vindex_retire(struct vindex *vindex, struct record *record)
{
    pthread_mutex_lock(&vindex->lock);
    if (vindex_alone(vindex))
        record_destroy(record);
    else
        vindex->retired[vindex->n_retired++] = record;
    pthread_mutex_unlock(&vindex->lock);
}

static void vindex_put_row(struct vindex *vindex, struct record *record, struct record *old)
{
    struct vec_vector now = vec_read_vector(record_value(record)), then;
    const uint8_t *vector = now.stored.data;
    uint16_t back = (uint16_t)((const char *)vector - (const char *)record);
    if (old != NULL) {
        then = vec_read_vector(record_value(old));
        if (bytes_equal(now.stored, then.stored)) {
            uint32_t same = record_count(old);
            record_set_count(record, same);
            rows_move(&vindex->rows, same, vector, back);
            vindex_retire(vindex, old);
            return;
        }
    }
    pthread_mutex_lock(&vindex->lock);
    uint32_t slot = rows_add(&vindex->rows, vector, back);
    atomic_fetch_add(&vindex->n_tail, 1);
    vindex_add(&vindex->store->vectors.vectors, 1);
    uint32_t alive = vindex->rows.n_alive - (old != NULL);
    vindex->n_most = alive > vindex->n_most ? alive : vindex->n_most;
    pthread_mutex_unlock(&vindex->lock);
    record_set_count(record, slot);
    if (old != NULL)
        vindex_kill(vindex, record_count(old));
}

/* Its vectors will be deleted one by one; who has a reference finds all of them until the end. */
static void vindex_drop(struct partition *partition, struct vindex *vindex)
{
    rows_freeze(&vindex->rows);
    __atomic_store_n(&vindex->dropped, true, __ATOMIC_RELEASE);
    if (vindex_alone(vindex))
        vindex_forget(partition, vindex);
}

/* Returns the index that has changed, or NULL. */
static struct vindex *vindex_take(struct partition *partition, const struct effect *effect)
{
    struct vindex *vindex = effect->index;
    if (effect->spec.key.kind == KIND_vector) {
        vindex = vindex_of(partition, &effect->spec.key);
        if (vindex != NULL)
            vindex_put_row(vindex, effect->record, effect->old);
    } else if (vindex != NULL) {
        hmap_insert(&partition->vindexes, rng_mix(vindex->generation), vindex);
        vindex_add(&vindex->store->vectors.collections, 1);
    }
    if (vindex != NULL)
        vindex_report(partition, vindex);
    return vindex;
}

void vindex_on_put(struct partition *partition, const struct effect *effect)
{
    struct vindex *vindex = vindex_take(partition, effect);
    if (vindex != NULL)
        vindex_schedule(vindex);
}

bool vindex_on_free(struct partition *partition, const struct record *record, bool replaced)
{
    struct record_key key = {record_run(record), record_kind_of(record), record_key_bytes(record)};
    struct vec_collection collection;
    struct vindex *vindex = NULL;
    if (key.kind == KIND_vector) {
        vindex = vindex_of(partition, &key);
        if (vindex != NULL && !replaced) {
            vindex_kill(vindex, record_count(record));
            vindex_schedule(vindex);
        }
        return vindex != NULL;
    }
    if (!replaced && vec_read_collection(record_value(record), &collection))
        vindex = vindex_look_up(partition, collection.generation);
    if (vindex != NULL)
        vindex_drop(partition, vindex);
    return false;
}

void vindex_effect_deinit(struct effect *effect)
{
    if (effect->spec.key.kind == KIND_collection && effect->index != NULL)
        vindex_destroy_now(effect->index);
    effect->index = NULL;
}

/* ---- now and then ---- */

void vindex_sweep(struct partition *partition)
{
    enum { SWEEP_SLOTS = 256 }; /* of the table; the next sweep goes on there */
    size_t slots = SWEEP_SLOTS;
    struct vindex *vindex;
    if (hmap_count(&partition->vindexes) == 0)
        return;
    while ((vindex = hmap_walk(&partition->vindexes, &partition->vindex_hand, &slots)) != NULL) {
        if (vindex->dropped && vindex_alone(vindex)) {
            vindex_forget(partition, vindex);
            continue;
        }
        vindex_report(partition, vindex);
        vindex_schedule(vindex);
    }
}

/* ---- recovery ---- */

static int vindex_build_record(struct store *store, struct partition *partition,
                               struct record *record)
{
    struct effect effect = {
        .type = EFFECT_PUT,
        .spec = {.key = {record_run(record), record_kind_of(record), record_key_bytes(record)},
                 .value = record_value(record)},
        .record = record,
    };
    struct vindex *of =
        effect.spec.key.kind == KIND_vector ? vindex_of(partition, &effect.spec.key) : NULL;
    if (of != NULL) {
        struct vec_vector vector = vec_read_vector(effect.spec.value);
        if (!vec_belongs(&of->config, &vector))
            return ERR_DATA_DAMAGED;
    }
    int err = vindex_plan(store, partition, &effect);
    if (err == 0)
        (void)vindex_take(partition, &effect); /* what is to be done waits for a sweep */
    else
        vindex_effect_deinit(&effect);
    partition->planned_rows = 0;
    return err;
}

/* Collections first, as their kind comes before that of vectors; run by run. */
int vindex_build(struct store *store, struct partition *partition)
{
    struct record_key at = {.run = 0, .kind = KIND_collection};
    struct omap_iter iter;
    struct record *record;
    int err = 0;
    omap_seek(&partition->order, &at, &iter);
    while (err == 0 && (record = omap_next(&iter)) != NULL) {
        uint8_t kind = record_kind_of(record);
        if (kind == KIND_collection || kind == KIND_vector) {
            err = vindex_build_record(store, partition, record);
            continue;
        }
        if (kind > KIND_vector && record_run(record) == UINT32_MAX)
            return 0;
        at = (struct record_key){record_run(record) + (kind > KIND_vector), KIND_collection,
                                 BYTES_NONE};
        omap_seek(&partition->order, &at, &iter);
    }
    return err;
}

/* ---- figures ---- */

bool vindex_is_behind(const struct vindex *vindex)
{
    return vindex->store->workers != NULL && vindex_wants_graph(vindex) &&
           atomic_load_explicit(&vindex->n_tail, memory_order_relaxed) > VINDEX_TAIL_MAX;
}

void vindex_figures(struct vindex *vindex, struct vindex_figures *out_figures)
{
    struct hnsw *hnsw = atomic_load(&vindex->hnsw);
    uint32_t n_tail = atomic_load(&vindex->n_tail);
    pthread_mutex_lock(&vindex->lock);
    *out_figures = (struct vindex_figures){
        .count = vindex->rows.n_alive,
        .linked = hnsw == NULL ? 0 : hnsw_count(hnsw),
        .tail = vindex_wants_graph(vindex) ? n_tail : 0,
        .tombstones = (uint64_t)atomic_load(&vindex->n_dead) + vindex->n_retired,
        .bytes = sizeof *vindex + rows_bytes(&vindex->rows) + (hnsw == NULL ? 0 : hnsw_bytes(hnsw)),
        .searches = atomic_load(&vindex->searches),
        .scanned = atomic_load(&vindex->scanned),
        .graph = hnsw != NULL,
        .mending = atomic_load(&vindex->mending),
    };
    pthread_mutex_unlock(&vindex->lock);
}
