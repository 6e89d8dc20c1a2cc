/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Exact search: every way to scan against sorting all rows, filters, clocks and thresholds
 * included; then threads that search while one adds, kills, moves and frees.
 *
 * CAIRN_SEED sets the seed.
 */
#include "tests/unit/server/ds/vectors.h"

#include "server/ds/flat.h"

#include <pthread.h>
#include <sched.h>

enum { ROWS_MOST = 400, QUERIES = 5, DIM_MOST = 40 };

struct fixture {
    struct rows rows;
    struct item *items[ROWS_MOST];
    uint32_t n;
    void *storage[QUERIES];
    struct rows_query queries[QUERIES];
    struct hit hits[QUERIES][ROWS_MOST], expected[ROWS_MOST];
    struct topk topk[QUERIES];
    struct flat_search searches[QUERIES];
    uint32_t asked;
};

/* Few different elements, so that many distances are equal. */
static void few_elements(struct rng *rng, float *vector, unsigned dim)
{
    for (unsigned i = 0; i < dim; i++)
        vector[i] = (float)(1 + rng_below(rng, 3));
}

/* A query each time some more rows have died. */
static void fixture_make(struct fixture *fixture, struct rng *rng)
{
    float vector[DIM_MOST];
    unsigned dim = 1 + (unsigned)rng_below(rng, DIM_MOST);
    rows_init(&fixture->rows, dim, (enum metric)rng_below(rng, METRIC_COUNT),
              (enum rows_codes)rng_below(rng, CODES_COUNT), kernels_best());
    fixture->n = (uint32_t)rng_below(rng, ROWS_MOST + 1);
    assert_int_equal(rows_reserve(&fixture->rows, fixture->n), 0);
    for (uint32_t i = 0; i < fixture->n; i++) {
        uint16_t back = random_back(rng);
        few_elements(rng, vector, dim);
        fixture->items[i] = item_make_for(&fixture->rows, i, back, vector);
        rows_add(&fixture->rows, item_vector(fixture->items[i], back), back);
    }
    for (uint32_t i = 0; i < fixture->n; i += 1 + (uint32_t)rng_below(rng, 20)) {
        rows_kill(&fixture->rows, i);
        rows_free(&fixture->rows, i);
    }
    for (uint32_t q = 0; q < QUERIES; q++) {
        few_elements(rng, vector, dim);
        fixture->storage[q] = query_storage(&fixture->rows);
        rows_query(&fixture->rows, vector, fixture->storage[q], &fixture->queries[q]);
        for (uint32_t i = 0; i < fixture->n; i += 1 + (uint32_t)rng_below(rng, 20))
            if (!rows_dead(&fixture->rows, i))
                rows_kill(&fixture->rows, i);
    }
}

static void fixture_drop(struct fixture *fixture)
{
    for (uint32_t i = 0; i < fixture->n; i++)
        free(fixture->items[i]);
    for (uint32_t q = 0; q < QUERIES; q++)
        free(fixture->storage[q]);
    rows_deinit(&fixture->rows);
}

/* Two of three. */
static bool accept(void *context, const void *item)
{
    ++*(uint32_t *)context;
    return ((const struct item *)item)->key % 3 != 0;
}

/* A search with everything chosen at random. */
static void fixture_search(struct fixture *fixture, struct rng *rng, uint32_t q)
{
    const struct rows_query *query = &fixture->queries[q];
    fixture->topk[q] = (struct topk){.hits = fixture->hits[q], .k = 1 + rng_below(rng, 20)};
    fixture->searches[q] = (struct flat_search){
        .query = query,
        .within = INFINITY,
        .accept = rng_below(rng, 2) == 0 ? accept : NULL,
        .context = &fixture->asked,
        .filter_first = rng_below(rng, 2) == 0,
        .topk = &fixture->topk[q],
    };
    if (fixture->n > 0 && rng_below(rng, 2) == 0)
        fixture->searches[q].within =
            rows_distance(&fixture->rows, query, (uint32_t)rng_below(rng, fixture->n));
}

static int compare(const void *a, const void *b)
{
    const struct hit *left = a, *right = b;
    return hit_before(*left, *right) ? -1 : hit_before(*right, *left);
}

static size_t fixture_expect(struct fixture *fixture, const struct flat_search *search,
                             uint32_t from, uint32_t to, uint64_t *out_alive,
                             uint64_t *out_accepted)
{
    size_t n = 0;
    *out_alive = *out_accepted = 0;
    for (uint32_t i = from; i < to; i++) {
        if (!rows_alive(&fixture->rows, i, search->query->clock))
            continue;
        ++*out_alive;
        if (search->accept != NULL && fixture->items[i]->key % 3 == 0)
            continue;
        ++*out_accepted;
        float distance = rows_distance(&fixture->rows, search->query, i);
        if (distance <= search->within)
            fixture->expected[n++] = (struct hit){distance, i};
    }
    qsort(fixture->expected, n, sizeof *fixture->expected, compare);
    return n;
}

static void check_search(struct fixture *fixture, uint32_t q, uint32_t from, uint32_t to)
{
    struct flat_search *search = &fixture->searches[q];
    uint64_t alive, accepted;
    size_t n = fixture_expect(fixture, search, from, to, &alive, &accepted);
    assert_int_equal(search->topk->count, n < search->topk->k ? n : search->topk->k);
    topk_sort(search->topk);
    for (size_t i = 0; i < search->topk->count; i++) {
        assert_int_equal(search->topk->hits[i].slot, fixture->expected[i].slot);
        assert_true(search->topk->hits[i].distance == fixture->expected[i].distance);
    }
    assert_int_equal(search->scanned, search->filter_first ? accepted : alive);
    if (search->accept == NULL)
        assert_int_equal(search->asked, 0);
    else if (search->filter_first)
        assert_int_equal(search->asked, alive);
    else
        assert_true(search->asked <= alive);
}

static void random_range(struct rng *rng, uint32_t n, uint32_t *out_from, uint32_t *out_to)
{
    *out_from = rng_below(rng, 2) == 0 ? 0 : (uint32_t)rng_below(rng, n + 1);
    *out_to = *out_from + (uint32_t)rng_below(rng, n - *out_from + 1);
    *out_to = rng_below(rng, 2) == 0 ? n : *out_to;
}

static void test_scan(void **state)
{
    (void)state;
    struct rng rng = seed_rng();
    static struct fixture fixture;
    for (int round = 0; round < 300; round++) {
        fixture_make(&fixture, &rng);
        for (uint32_t q = 0; q < QUERIES; q++) {
            uint32_t from, to;
            random_range(&rng, fixture.n, &from, &to);
            fixture_search(&fixture, &rng, q);
            flat_scan(&fixture.rows, &fixture.searches[q], from, to);
            check_search(&fixture, q, from, to);
        }
        fixture_drop(&fixture);
    }
}

static void test_scan_many(void **state)
{
    (void)state;
    struct rng rng = seed_rng();
    static struct fixture fixture;
    for (int round = 0; round < 300; round++) {
        fixture_make(&fixture, &rng);
        uint32_t from, to;
        random_range(&rng, fixture.n, &from, &to);
        for (uint32_t q = 0; q < QUERIES; q++)
            fixture_search(&fixture, &rng, q);
        flat_scan_many(&fixture.rows, fixture.searches, QUERIES, from, to);
        for (uint32_t q = 0; q < QUERIES; q++)
            check_search(&fixture, q, from, to);
        fixture_drop(&fixture);
    }
}

/* More rows than a block has. */
static void test_scan_many_blocks(void **state)
{
    (void)state;
    enum { N = 3000, WIDE = 256 };
    struct rng rng = seed_rng();
    struct rows rows;
    static float vectors[N][WIDE];
    rows_init(&rows, WIDE, METRIC_L2, false, kernels_best());
    assert_int_equal(rows_reserve(&rows, N), 0);
    for (uint32_t i = 0; i < N; i++) {
        random_vector(&rng, vectors[i], WIDE, 1);
        rows_add(&rows, vectors[i], 0);
    }
    struct rows_query queries[2];
    struct hit hits[2][3];
    struct topk topk[2] = {{.hits = hits[0], .k = 3}, {.hits = hits[1], .k = 3}};
    struct flat_search searches[2];
    void *storage[2];
    for (uint32_t q = 0; q < 2; q++) {
        storage[q] = query_storage(&rows);
        rows_query(&rows, vectors[q * 2500], storage[q], &queries[q]);
        searches[q] =
            (struct flat_search){.query = &queries[q], .within = INFINITY, .topk = &topk[q]};
    }
    flat_scan_many(&rows, searches, 2, 0, N);
    for (uint32_t q = 0; q < 2; q++) {
        assert_int_equal(searches[q].scanned, N);
        topk_sort(&topk[q]);
        assert_int_equal(hits[q][0].slot, q * 2500);
        free(storage[q]);
    }
    rows_deinit(&rows);
}

/* Slots in any order, some twice, some in topk already. */
static void test_scan_slots(void **state)
{
    (void)state;
    struct rng rng = seed_rng();
    static struct fixture fixture;
    for (int round = 0; round < 300; round++) {
        fixture_make(&fixture, &rng);
        uint32_t slots[2 * ROWS_MOST];
        for (uint32_t i = 0; i < fixture.n; i++)
            slots[i] = i;
        for (uint32_t i = fixture.n; i > 1; i--) {
            uint32_t other = (uint32_t)rng_below(&rng, i), slot = slots[i - 1];
            slots[i - 1] = slots[other];
            slots[other] = slot;
        }
        uint32_t again = (uint32_t)rng_below(&rng, fixture.n + 1);
        memcpy(slots + fixture.n, slots, again * sizeof *slots);
        for (uint32_t q = 0; q < QUERIES; q++) {
            fixture_search(&fixture, &rng, q);
            flat_scan_slots(&fixture.rows, &fixture.searches[q], slots, fixture.n);
            struct flat_search first = fixture.searches[q];
            flat_scan_slots(&fixture.rows, &fixture.searches[q], slots + fixture.n, again);
            fixture.searches[q].scanned = first.scanned;
            fixture.searches[q].asked = first.asked;
            check_search(&fixture, q, 0, fixture.n);
        }
        fixture_drop(&fixture);
    }
}

/* ---- threads ---- */

enum { READERS = 3, LIVES = 2000, LIVING = 60, DIM = 20, FOREVER = 7, TAKEN = 10 };

/* The writer kills in the order of keys, and frees when every reader has ended a search that began
 * before. */
struct race {
    struct rows rows;
    float forever[FOREVER][DIM]; /* rows that stay: slot i has key i */
    _Atomic uint32_t killed;     /* keys from FOREVER to below this are dead */
    _Atomic uint32_t rounds[READERS];
    _Atomic bool ended;
    _Atomic uint32_t searches;
};

struct reader {
    struct race *race;
    unsigned number;
    pthread_t thread;
};

static bool is_key(void *context, const void *item)
{
    uint32_t key = ((const struct item *)item)->key;
    return key < FOREVER || key >= *(const uint32_t *)context;
}

static void race_search(struct race *race, uint32_t which, void *storage)
{
    uint32_t killed = atomic_load(&race->killed);
    struct rows_query query;
    struct hit hits[TAKEN];
    struct topk topk = {.hits = hits, .k = TAKEN};
    rows_query(&race->rows, race->forever[which], storage, &query);
    struct flat_search search = {.query = &query, .within = INFINITY, .topk = &topk};
    flat_scan(&race->rows, &search, 0, atomic_load(&race->rows.n_slots));
    topk_sort(&topk);
    assert_int_equal(hits[0].slot, which);
    for (size_t i = 0; i < topk.count; i++) {
        assert_true(is_key(&killed, rows_item(&race->rows, hits[i].slot)));
        assert_true(hits[i].distance == rows_distance(&race->rows, &query, hits[i].slot));
        assert_true(isfinite(rows_distance_fast(&race->rows, &query, hits[i].slot)));
    }
    atomic_fetch_add(&race->searches, 1);
}

static void *reader_run(void *argument)
{
    struct reader *reader = argument;
    struct race *race = reader->race;
    void *storage = query_storage(&race->rows);
    for (uint32_t round = 0; !atomic_load(&race->ended); round++) {
        atomic_fetch_add(&race->rounds[reader->number], 1); /* odd: searching */
        race_search(race, round % FOREVER, storage);
        atomic_fetch_add(&race->rounds[reader->number], 1);
    }
    free(storage);
    return NULL;
}

static void race_wait(struct race *race)
{
    for (unsigned i = 0; i < READERS; i++) {
        uint32_t round = atomic_load(&race->rounds[i]);
        while (round % 2 != 0 && atomic_load(&race->rounds[i]) == round)
            sched_yield();
    }
}

struct life {
    struct item *item, *moved_from;
    uint16_t back;
    uint32_t slot;
};

static void life_begin(struct race *race, struct rng *rng, struct life *life, uint32_t key)
{
    float vector[DIM];
    random_vector(rng, vector, DIM, 1);
    life->back = random_back(rng);
    life->item = item_make(key, life->back, vector, DIM);
    life->moved_from = NULL;
    assert_int_equal(rows_reserve(&race->rows, 1), 0);
    life->slot = rows_add(&race->rows, item_vector(life->item, life->back), life->back);
}

static void life_move(struct race *race, struct rng *rng, struct life *life)
{
    if (life->moved_from != NULL)
        return;
    life->moved_from = life->item;
    const float *vector = item_vector(life->item, life->back);
    uint16_t back = random_back(rng);
    float copy[DIM];
    memcpy(copy, (const void *)vector, sizeof copy);
    life->item = item_make(life->moved_from->key, back, copy, DIM);
    life->back = back;
    rows_move(&race->rows, life->slot, item_vector(life->item, back), back);
}

/* The oldest half dies, and goes when no reader can see it. */
static void race_half(struct race *race, struct life *lives, size_t n)
{
    for (size_t i = 0; i < n / 2; i++) {
        rows_kill(&race->rows, lives[i].slot);
        atomic_store(&race->killed, lives[i].item->key + 1);
    }
    race_wait(race);
    for (size_t i = 0; i < n / 2; i++) {
        rows_free(&race->rows, lives[i].slot);
        free(lives[i].moved_from);
        free(lives[i].item);
    }
    memmove(lives, lives + n / 2, (n - n / 2) * sizeof *lives);
}

static void race_write(struct race *race, struct rng *rng)
{
    struct life lives[LIVING];
    size_t n = 0;
    for (uint32_t key = FOREVER; key < FOREVER + LIVES; key++) {
        life_begin(race, rng, &lives[n++], key);
        life_move(race, rng, &lives[rng_below(rng, n)]);
        if (n == LIVING) {
            race_half(race, lives, n);
            n -= n / 2;
        }
    }
    atomic_store(&race->ended, true);
    race_wait(race);
    for (size_t i = 0; i < n; i++) {
        free(lives[i].moved_from);
        free(lives[i].item);
    }
}

static void run_race(enum metric metric)
{
    static struct race race;
    struct rng rng = seed_rng();
    struct item *items[FOREVER];
    struct reader readers[READERS];
    race = (struct race){.killed = FOREVER};
    rows_init(&race.rows, DIM, metric, true, kernels_best());
    assert_int_equal(rows_reserve(&race.rows, FOREVER), 0);
    for (uint32_t i = 0; i < FOREVER; i++) {
        random_vector(&rng, race.forever[i], DIM, 1);
        items[i] = item_make(i, sizeof(struct item), race.forever[i], DIM);
        rows_add(&race.rows, item_vector(items[i], sizeof(struct item)), sizeof(struct item));
    }
    for (unsigned i = 0; i < READERS; i++) {
        readers[i] = (struct reader){.race = &race, .number = i};
        assert_int_equal(pthread_create(&readers[i].thread, NULL, reader_run, &readers[i]), 0);
    }
    race_write(&race, &rng);
    for (unsigned i = 0; i < READERS; i++)
        pthread_join(readers[i].thread, NULL);
    print_message("%u searches, %u slots\n", race.searches, race.rows.n_slots);
    assert_true(race.rows.n_slots <= FOREVER + LIVING);
    for (uint32_t i = 0; i < FOREVER; i++)
        free(items[i]);
    rows_deinit(&race.rows);
}

static void test_threads(void **state)
{
    (void)state;
    run_race(METRIC_COSINE);
    run_race(METRIC_L2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scan),       cmocka_unit_test(test_scan_many),
        cmocka_unit_test(test_scan_slots), cmocka_unit_test(test_scan_many_blocks),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
