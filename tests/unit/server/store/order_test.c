/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Sorting records: keys that share much or nothing, that begin with each other, with zeros at their
 * ends, of several runs and kinds, against qsort by record_compare; and the map made of them.
 *
 * CAIRN_SEED sets the seed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "server/store/order.h"
#include "tests/unit/server/store/fixture.h"

enum { MANY = 3000, ROUNDS = 60, KEY_MAX = 3000 };

static unsigned seed;

static int compare(const void *a, const void *b)
{
    const struct record *x = *(struct record *const *)a;
    struct record_key key = {record_run(x), record_kind_of(x), record_key_bytes(x)};
    return record_compare(&key, *(struct record *const *)b);
}

static unsigned below(unsigned n)
{
    return (unsigned)rand_r(&seed) % n;
}

/* A key in one of several manners; returns its size. */
static size_t some_key(unsigned manner, uint8_t key[static KEY_MAX])
{
    size_t size = 1 + below(12);
    switch (manner) {
    case 0: /* anything */
        for (size_t i = 0; i < size; i++)
            key[i] = (uint8_t)below(256);
        return size;
    case 1: /* two letters: many begin with each other */
        for (size_t i = 0; i < size; i++)
            key[i] = (uint8_t)below(2);
        return size;
    case 2: /* zeros, told apart by length alone */
        memset(key, 0, KEY_MAX);
        return 1 + below(KEY_MAX - 1);
    case 3: /* a long common beginning */
        memset(key, 'x', KEY_MAX);
        return 1000 + (size_t)snprintf((char *)key + 1000, 100, "%u", below(100000));
    case 4: /* several beginnings */
        return (size_t)snprintf((char *)key, KEY_MAX, "%s:%08u:%s", below(2) ? "user" : "session",
                                below(500), below(2) ? "name" : "mail of the user");
    default: /* numbers without leading zeros */
        return (size_t)snprintf((char *)key, KEY_MAX, "%u", below(1000000));
    }
}

static struct record *some_record(unsigned manner)
{
    static uint8_t key[KEY_MAX];
    struct record_spec spec = {.key = {1, KIND_kv, {key, some_key(manner, key)}}};
    if (below(2) == 0) {
        spec.key.run = 1 + below(3) * 255;
        spec.key.kind = below(2) ? KIND_kv : KIND_run;
    }
    struct record *record = record_create(&spec);
    assert_non_null(record);
    return record;
}

static void sorted(void **state)
{
    struct order_item *items = calloc(2 * MANY, sizeof *items);
    struct record **records = calloc(MANY, sizeof(void *));
    (void)state;
    for (unsigned round = 0; round < ROUNDS; round++) {
        size_t n = 1 + below(MANY);
        for (size_t i = 0; i < n; i++)
            items[i].record = records[i] = some_record(round % 6);
        qsort(records, n, sizeof(void *), compare);
        order_sort(items, items + MANY, n);
        for (size_t i = 0; i < n; i++)
            assert_int_equal(compare(&items[i].record, &records[i]), 0);
        for (size_t i = 0; i < n; i++)
            record_destroy(records[i]);
    }
    free(items);
    free(records);
}

/* Filled without order, with deletes and overwrites, it is the same partition afterwards. */
static void built(void **state)
{
    struct store *store = fixture_open(1, 1);
    struct partition *partition = &store->partitions[0];
    char key[32];
    uint64_t version;
    (void)state;
    partition->unordered = true;
    for (unsigned i = 0; i < 2 * MANY; i++) {
        (void)snprintf(key, sizeof key, "%u", below(MANY));
        assert_int_equal(fixture_put(store, key, bytes_of("v"), 0), 0);
    }
    assert_int_equal(partition->order.count, 0);
    assert_int_equal(order_build(partition), 0);
    assert_false(partition->unordered);
    fixture_check(store);
    for (unsigned i = 0; i < 2 * MANY; i++) {
        (void)snprintf(key, sizeof key, "%u", below(MANY));
        assert_int_equal(fixture_put_among(store, key, bytes_of("w"), 0, &version), 0);
    }
    fixture_check(store);
    store_destroy(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sorted),
        cmocka_unit_test(built),
    };
    const char *text = getenv("CAIRN_SEED");
    seed = text == NULL ? 1 : (unsigned)strtoul(text, NULL, 10);
    print_message("seed %u\n", seed);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
