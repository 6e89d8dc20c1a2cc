/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Lanes: see recover_lanes.h.
 *
 *   recover_lanes_put --> | being filled | full | full | being applied |  --> recover_apply
 *                            given % 4  --- a ring of batches ---  applied % 4
 *
 * A batch holds copies of keys and values, so that the log may be read on. It is handed over when
 * it is full, or when somebody waits for all of it.
 *
 * A partition belongs to one lane (its number modulo lanes), so that its effects are applied in
 * order, and without its lock.
 *
 * Threads: `given`, `applied`, `ending` and `err` under the lock of the lane; a batch belongs to
 * the one who gives until given passes it, then to the thread until applied does.
 * Failures: without memory a lane drops what it is given and keeps the error.
 */
#include "server/store/recover_lanes.h"

#include "common/buf.h"
#include "common/err.h"
#include "common/mem.h"
#include "common/mutant.h"
#include "common/thread.h"

enum {
    LANE_BATCHES = 4,
    LANE_EFFECTS = 256,
    LANE_BYTES = 64 * 1024, /* of keys and values in a batch; more if one alone is larger */
};

struct recover_batch {
    struct buf bytes; /* never moves while it is filled */
    size_t n;
    struct effect effects[LANE_EFFECTS];
};

struct recover_lane {
    struct store *store;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint64_t given, applied;
    bool ending;
    int err;
    struct recover_batch batches[LANE_BATCHES];
};

struct recover_lanes {
    struct store *store;
    unsigned n;
    struct recover_lane *lane;
};

/* ---- applying ---- */

static struct partition *apply_partition(struct store *store, const struct effect *effect)
{
    return &store->partitions[store_partition_index(store, effect->hash)];
}

/* Make or reuse the record of a put. */
static int apply_put(struct partition *partition, struct effect *effect)
{
    bool reuse =
        effect->record == NULL && effect->old != NULL && record_fits(effect->old, &effect->spec);
    if (!reuse && effect->record == NULL)
        effect->record = record_create(&effect->spec);
    if (!reuse && effect->record == NULL)
        return ERR_OUT_OF_MEMORY;
    if (!reuse)
        effect->spec.key.bytes = record_key_bytes(effect->record);
    int err = effect->old == NULL ? partition_plan_insert(partition) : 0;
    if (err == 0) {
        partition_apply(partition, effect);
        effect->record = NULL;
    }
    partition->planned = 0;
    return err;
}

static int apply_one(struct partition *partition, struct effect *effect)
{
    effect->old = partition_find(partition, effect->hash, &effect->spec.key);
    if (effect->old != NULL && record_version(effect->old) >= effect->version)
        return 0;
    if (effect->type == EFFECT_PUT)
        return apply_put(partition, effect);
    if (MUTANT(recovery_skips_deletes) && effect->hash % 8 == 0)
        return 0;
    partition_apply(partition, effect);
    return 0;
}

/* Up to n effects of one partition. Returns how many. */
static size_t apply_run(struct store *store, struct effect *effects, size_t n, bool locked,
                        int *out_err)
{
    struct partition *partition = apply_partition(store, effects);
    size_t i = 0;
    if (locked)
        partition_lock(partition);
    for (; i < n && *out_err == 0 && apply_partition(store, &effects[i]) == partition; i++)
        *out_err = apply_one(partition, &effects[i]);
    store_account(store, partition);
    if (locked)
        partition_unlock(partition);
    return i;
}

static void apply_prefetch(struct store *store, const struct effect *effects, size_t n, bool locked)
{
    for (size_t i = 0; i < n; i++)
        partition_prefetch(apply_partition(store, &effects[i]), effects[i].hash);
    for (size_t i = 0; !locked && i < n; i++)
        partition_prefetch_record(apply_partition(store, &effects[i]), effects[i].hash);
}

int recover_apply(struct store *store, struct effect *effects, size_t n, bool locked)
{
    int err = 0;
    apply_prefetch(store, effects, n, locked);
    for (size_t i = 0; i < n && err == 0;)
        i += apply_run(store, effects + i, n - i, locked, &err);
    for (size_t i = 0; i < n; i++)
        record_destroy(effects[i].record);
    return err;
}

/* ---- a lane ---- */

/* Wait for a full batch; NULL: the end. */
static struct recover_batch *lane_take(struct recover_lane *lane)
{
    struct recover_batch *batch = NULL;
    (void)pthread_mutex_lock(&lane->lock);
    while (lane->given == lane->applied && !lane->ending)
        (void)pthread_cond_wait(&lane->changed, &lane->lock);
    if (lane->given != lane->applied)
        batch = &lane->batches[lane->applied % LANE_BATCHES];
    (void)pthread_mutex_unlock(&lane->lock);
    return batch;
}

static void lane_done(struct recover_lane *lane, int err)
{
    (void)pthread_mutex_lock(&lane->lock);
    lane->applied++;
    lane->err = lane->err != 0 ? lane->err : err;
    (void)pthread_cond_broadcast(&lane->changed);
    (void)pthread_mutex_unlock(&lane->lock);
}

static void *lane_main(void *arg)
{
    struct recover_lane *lane = arg;
    struct recover_batch *batch;
    while ((batch = lane_take(lane)) != NULL) {
        int err = lane->err != 0 ? 0 : recover_apply(lane->store, batch->effects, batch->n, false);
        batch->n = 0;
        batch->bytes.size = 0;
        lane_done(lane, err);
    }
    return NULL;
}

/* Hand over the batch that is being filled and wait until no more than `left` are to be applied. */
static int lane_give(struct recover_lane *lane, uint64_t left)
{
    (void)pthread_mutex_lock(&lane->lock);
    if (lane->batches[lane->given % LANE_BATCHES].n > 0)
        lane->given++;
    (void)pthread_cond_broadcast(&lane->changed);
    while (lane->given - lane->applied > left)
        (void)pthread_cond_wait(&lane->changed, &lane->lock);
    int err = lane->err;
    (void)pthread_mutex_unlock(&lane->lock);
    return err;
}

static struct bytes lane_copy(struct buf *to, struct bytes from)
{
    struct bytes copy = {to->data + to->size, from.size};
    if (from.size > 0)
        memcpy(to->data + to->size, from.data, from.size);
    to->size += from.size;
    return copy;
}

static int lane_put(struct recover_lane *lane, const struct effect *effect)
{
    size_t size = effect->spec.key.bytes.size + effect->spec.value.size;
    struct recover_batch *batch = &lane->batches[lane->given % LANE_BATCHES];
    int err = 0;
    if (batch->n == LANE_EFFECTS ||
        (batch->n > 0 && batch->bytes.capacity - batch->bytes.size < size))
        err = lane_give(lane, LANE_BATCHES - 1);
    batch = &lane->batches[lane->given % LANE_BATCHES];
    if (err == 0 && batch->n == 0)
        err = buf_reserve(&batch->bytes, size > LANE_BYTES ? size : LANE_BYTES);
    if (err != 0)
        return err;
    struct effect *copy = &batch->effects[batch->n++];
    *copy = *effect;
    copy->spec.key.bytes = lane_copy(&batch->bytes, effect->spec.key.bytes);
    copy->spec.value = lane_copy(&batch->bytes, effect->spec.value);
    return 0;
}

static bool lane_begin(struct recover_lane *lane, struct store *store)
{
    lane->store = store;
    (void)pthread_mutex_init(&lane->lock, NULL);
    (void)pthread_cond_init(&lane->changed, NULL);
    for (unsigned i = 0; i < LANE_BATCHES; i++)
        buf_init(&lane->batches[i].bytes);
    if (thread_create(&lane->thread, lane_main, lane) == 0)
        return true;
    (void)pthread_mutex_destroy(&lane->lock);
    (void)pthread_cond_destroy(&lane->changed);
    return false;
}

static void lane_end(struct recover_lane *lane)
{
    (void)pthread_mutex_lock(&lane->lock);
    lane->ending = true;
    (void)pthread_cond_broadcast(&lane->changed);
    (void)pthread_mutex_unlock(&lane->lock);
    (void)pthread_join(lane->thread, NULL);
    (void)pthread_mutex_destroy(&lane->lock);
    (void)pthread_cond_destroy(&lane->changed);
    for (unsigned i = 0; i < LANE_BATCHES; i++)
        buf_deinit(&lane->batches[i].bytes);
}

/* ---- all ---- */

int recover_lanes_create(struct store *store, unsigned n, struct recover_lanes **out_lanes)
{
    struct recover_lanes *lanes = mem_calloc(1, sizeof *lanes);
    if (lanes == NULL)
        return ERR_OUT_OF_MEMORY;
    lanes->store = store;
    lanes->lane = n == 0 ? NULL : mem_calloc(n, sizeof *lanes->lane);
    if (lanes->lane == NULL && n > 0) {
        mem_free(lanes);
        return ERR_OUT_OF_MEMORY;
    }
    while (lanes->n < n && lane_begin(&lanes->lane[lanes->n], store))
        lanes->n++;
    *out_lanes = lanes;
    return 0;
}

int recover_lanes_put(struct recover_lanes *lanes, const struct effect *effect)
{
    if (lanes->n > 0)
        return lane_put(&lanes->lane[store_partition_index(lanes->store, effect->hash) % lanes->n],
                        effect);
    struct effect now = *effect;
    return recover_apply(lanes->store, &now, 1, false);
}

int recover_lanes_drain(struct recover_lanes *lanes)
{
    int err = 0;
    for (unsigned i = 0; i < lanes->n; i++) {
        int lane_err = lane_give(&lanes->lane[i], 0);
        err = err != 0 ? err : lane_err;
    }
    return err;
}

void recover_lanes_destroy(struct recover_lanes *lanes)
{
    if (lanes == NULL)
        return;
    for (unsigned i = 0; i < lanes->n; i++)
        lane_end(&lanes->lane[i]);
    mem_free(lanes->lane);
    mem_free(lanes);
}
