/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Graphs that lie: parts with bytes changed, cut, repeated, of another collection, with slots,
 * levels and counts that cannot be. Whatever is told, loading ends, and an exact search and the
 * tail find everything; what vindex_check_part refuses is never loaded.
 *
 * CAIRN_SEED sets the seed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "server/store/vindex_file.h"

#include "tests/unit/server/store/collection.h"

enum { LIES = 300 };

static uint64_t seed;

static const struct vec_config config = {.index = VEC_HNSW, .m = 4, .ef_construction = 20};

/* A store with the same vectors and no graph. */
static struct store *copy_open(const struct collection *c, struct collection *out_copy)
{
    struct store *store = fixture_open(4, 1);
    *out_copy = *c;
    out_copy->store = store;
    store_raise_number(store, c->generation);
    collection_put_own(out_copy);
    for (unsigned key = 0; key < COLLECTION_KEYS; key++)
        if (c->there[key])
            collection_write(out_copy, key);
    return store;
}

static void check_finds_all(const struct collection *c)
{
    struct vindex *vindex = collection_index(c);
    struct vindex_searcher *searcher = vindex_searcher_create();
    float vector[COLLECTION_DIM] = {1};
    struct vindex_query query = {.vector = vector, .k = COLLECTION_KEYS};
    struct vindex_result result;
    size_t n = 0;
    for (unsigned key = 0; key < COLLECTION_KEYS; key++)
        n += c->there[key];
    for (int exact = 0; exact <= 1; exact++) {
        query.exact = exact != 0;
        vindex_enter(vindex);
        assert_int_equal(vindex_search(vindex, searcher, &query, 1, &result), 0);
        assert_int_equal(result.count, n);
        vindex_leave(vindex);
    }
    assert_true(vindex->hnsw == NULL || hnsw_sound(vindex->hnsw));
    vindex_searcher_destroy(searcher);
    vindex_unref(vindex);
}

static struct vindex_part *part_of(struct bytes bytes)
{
    struct vindex_part *part = mem_alloc(sizeof *part + bytes.size);
    assert_non_null(part);
    part->next = NULL;
    part->size = bytes.size;
    memcpy(part->bytes, bytes.data, bytes.size);
    return part;
}

/* Tell some bytes, changed; true if they were taken for a part. */
static bool tell(const struct collection *c, struct bytes bytes, bool twice)
{
    struct collection copy;
    uint64_t nodes;
    if (!vindex_check_part(bytes, &nodes))
        return false;
    struct store *store = copy_open(c, &copy);
    struct vindex_part *part = part_of(bytes), *second = part_of(bytes);
    part->next = twice ? second : NULL;
    assert_int_equal(vindex_load(collection_partition(&copy), part), 0);
    check_finds_all(&copy);
    mem_free(part);
    mem_free(second);
    store_destroy(store);
    return true;
}

static void save(struct collection *c, struct buf *out)
{
    uint32_t slot = 0;
    bool done = false;
    struct vindex *vindex = collection_index(c);
    while (!done)
        assert_int_equal(vindex_save_part(vindex, &slot, out, &done), 0);
    vindex_unref(vindex);
}

static void lies(void **state)
{
    struct store *store = fixture_open(4, 4);
    struct collection c;
    struct buf part = {0}, lie = {0};
    unsigned taken = 0;
    (void)state;
    assert_int_equal(workers_start(1, &store->workers), 0);
    collection_open(&c, store, &config, seed);
    for (unsigned key = 0; key < 200; key++)
        collection_upsert(&c, key);
    collection_settle(&c);
    save(&c, &part);
    assert_true(tell(&c, buf_bytes(&part), false));
    assert_true(tell(&c, buf_bytes(&part), true));
    for (int i = 0; i < LIES; i++) {
        lie.size = 0;
        assert_int_equal(buf_append(&lie, part.data, part.size), 0);
        for (uint64_t n = 1 + rng_below(&c.rng, 4); n > 0; n--)
            lie.data[12 + rng_below(&c.rng, lie.size - 12)] = (uint8_t)rng_next(&c.rng);
        if (rng_below(&c.rng, 8) == 0)
            lie.size = rng_below(&c.rng, lie.size);
        taken += tell(&c, buf_bytes(&lie), false);
    }
    assert_true(taken > 0);
    buf_deinit(&part);
    buf_deinit(&lie);
    workers_stop(store->workers);
    store->workers = NULL;
    store_destroy(store);
}

/* One node each, by hand: generation, count; hash, slot, level, count, links. */
static void refused(void **state)
{
    static const uint8_t level[] = {1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0,  0, 1, 2,
                                    3, 4, 5, 6, 7, 8, 0, 0, 0, 0, 17, 0, 0};
    static const uint8_t slot[] = {1, 0, 0, 0, 0, 0, 0,    0,    1,    0,    0, 0, 1, 2,
                                   3, 4, 5, 6, 7, 8, 0xff, 0xff, 0xff, 0xff, 0, 0, 0};
    static const uint8_t links[] = {1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 2, 3, 4,
                                    5, 6, 7, 8, 0, 0, 0, 0, 0, 2, 0, 9, 9, 9, 9};
    uint64_t nodes;
    (void)state;
    assert_false(vindex_check_part((struct bytes){level, sizeof level}, &nodes));
    assert_false(vindex_check_part((struct bytes){slot, sizeof slot}, &nodes));
    assert_false(vindex_check_part((struct bytes){links, sizeof links}, &nodes));
    assert_false(vindex_check_part((struct bytes){links, 11}, &nodes));
    assert_false(vindex_check_part(BYTES_NONE, &nodes));
}

int main(void)
{
    seed = collection_seed();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lies),
        cmocka_unit_test(refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
