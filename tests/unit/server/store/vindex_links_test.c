/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Links of a row: those of the graph with their scores, none to the dead, and none without a graph
 * or without memory.
 *
 * CAIRN_SEED sets the seed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "server/store/vindex.h"

#include "common/mem.h"
#include "tests/unit/server/store/collection.h"

enum { M = 8 };

static uint64_t seed;

static uint32_t slot_of(const struct collection *c, unsigned key)
{
    uint8_t bytes[GROUP_PREFIX_MAX + 2];
    struct record_key of = collection_key(c, key, bytes);
    return record_count(partition_find(collection_partition(c), store_hash(c->store, &of), &of));
}

/* Check the links of a living vector; returns how many levels it has. */
static unsigned check_links(const struct collection *c, struct vindex *vindex, unsigned key)
{
    struct vindex_links links;
    size_t n = 0;
    vindex_enter(vindex);
    assert_int_equal(vindex_links(vindex, slot_of(c, key), &links), 0);
    for (unsigned level = links.levels; level-- > 0;) {
        assert_true(links.counts[level] <= (level == 0 ? 2 * M : M));
        for (unsigned i = 0; i < links.counts[level]; i++, n++) {
            unsigned other = collection_number(links.links[n].record);
            double score = collection_score(c, other, c->vectors[key]);
            assert_true(other != key && c->there[other]);
            assert_true(fabs(links.links[n].score - score) < 1e-4);
        }
    }
    vindex_leave(vindex);
    mem_free(links.links);
    return links.counts[0] == 0 ? 0 : links.levels;
}

static void of_a_graph(void **state)
{
    struct store *store = fixture_open(4, 4);
    struct vec_config config = {.index = VEC_HNSW, .m = M, .ef_construction = 60};
    struct collection c;
    unsigned highest = 0, linked = 0;
    (void)state;
    assert_int_equal(workers_start(2, &store->workers), 0);
    collection_open(&c, store, &config, seed);
    for (unsigned key = 0; key < COLLECTION_KEYS; key++)
        collection_upsert(&c, key);
    collection_settle(&c);
    for (unsigned key = 0; key < COLLECTION_KEYS; key += 5)
        collection_delete(&c, key); /* some of these stay in the graph, dead */
    struct vindex *vindex = collection_index(&c);
    for (unsigned key = 1; key < COLLECTION_KEYS; key++) {
        unsigned levels = c.there[key] ? check_links(&c, vindex, key) : 0;
        linked += levels > 0;
        highest = levels > highest ? levels : highest;
    }
    assert_true(linked > COLLECTION_KEYS / 2 && highest > 1);
    vindex_unref(vindex);
    workers_stop(store->workers);
    store->workers = NULL;
    store_destroy(store);
}

static void without_a_graph(void **state)
{
    struct store *store = fixture_open(4, 1);
    struct vec_config config = {.index = VEC_FLAT, .m = M, .ef_construction = 60};
    struct collection c;
    struct vindex_links links;
    (void)state;
    collection_open(&c, store, &config, seed);
    collection_upsert(&c, 0);
    collection_upsert(&c, 1);
    struct vindex *vindex = collection_index(&c);
    vindex_enter(vindex);
    assert_int_equal(vindex_links(vindex, slot_of(&c, 0), &links), 0);
    vindex_leave(vindex);
    assert_true(links.levels == 1 && links.counts[0] == 0 && links.links == NULL);
    vindex_unref(vindex);
    store_destroy(store);
}

static int set_up(void **state)
{
    (void)state;
    seed = collection_seed();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_a_graph),
        cmocka_unit_test(without_a_graph),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
