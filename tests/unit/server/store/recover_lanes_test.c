/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Lanes: effects given faster than they are applied, in order for each key; with no thread at all;
 * and given up in the middle.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "server/store/recover_lanes.h"

#include "server/store/recover.h"
#include "tests/unit/server/store/fixture.h"

enum { EFFECTS = 20000, KEYS = 5000, PRIME = 7919, LARGE = 100000 };

/* Effect number `version` is on this key; every seventh deletes, some are larger than a batch. */
static const char *key_of(uint64_t version)
{
    static char key[32];
    (void)snprintf(key, sizeof key, "key:%u", (unsigned)(version * PRIME % KEYS));
    return key;
}

static void give(struct store *store, struct recover_lanes *lanes, uint64_t version)
{
    static char large[LARGE];
    struct effect effect = {.type = version % 7 == 0 ? EFFECT_DEL : EFFECT_PUT, .version = version};
    memset(large, 'x', sizeof large - 1);
    effect.spec = fixture_spec(store, key_of(version), bytes_of("v"), 0);
    if (version % 1000 == 1)
        effect.spec.value = bytes_of(large);
    effect.hash = store_hash(store, &effect.spec.key);
    assert_int_equal(recover_lanes_put(lanes, &effect), 0);
}

static void model(void **state)
{
    (void)state;
    for (unsigned n = 0; n <= 3; n++) {
        struct store *store = fixture_open(4, 4);
        struct recover_lanes *lanes;
        assert_int_equal(recover_lanes_create(store, n, &lanes), 0);
        for (uint64_t version = 1; version <= EFFECTS; version++)
            give(store, lanes, version);
        assert_int_equal(recover_lanes_drain(lanes), 0);
        size_t records = fixture_check(store);
        for (uint64_t version = EFFECTS - KEYS + 1; version <= EFFECTS; version++) {
            const struct record *record = standing(store, key_of(version)); /* its last effect */
            assert_int_equal(record == NULL ? 0 : record_version(record),
                             version % 7 == 0 ? 0 : version);
            records -= record != NULL;
        }
        assert_int_equal(records, 0);
        recover_lanes_destroy(lanes);
        store_destroy(store);
    }
}

static void given_up(void **state)
{
    struct store *store = fixture_open(4, 4);
    struct recover_lanes *lanes;
    (void)state;
    assert_int_equal(recover_lanes_create(store, 2, &lanes), 0);
    for (uint64_t version = 1; version <= EFFECTS; version++)
        give(store, lanes, version);
    recover_lanes_destroy(lanes);
    recover_lanes_destroy(NULL);
    (void)fixture_check(store);
    store_destroy(store);
}

static void no_memory(void **state)
{
    struct store *store = fixture_open(1, 2);
    (void)state;
    for (unsigned n = 0; n <= 1; n++) {
        struct recover_lanes *lanes;
        struct effect effect = {.type = EFFECT_PUT, .version = 1};
        assert_int_equal(recover_lanes_create(store, n, &lanes), 0);
        effect.spec = fixture_spec(store, "k", bytes_of("v"), 0);
        effect.hash = store_hash(store, &effect.spec.key);
        mem_fail_after(1, 1);
        assert_int_equal(recover_lanes_put(lanes, &effect), ERR_OUT_OF_MEMORY);
        mem_fail_after(0, 0);
        assert_null(standing(store, "k"));
        recover_lanes_destroy(lanes);
    }
    store_destroy(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(model),
        cmocka_unit_test(given_up),
        cmocka_unit_test(no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
