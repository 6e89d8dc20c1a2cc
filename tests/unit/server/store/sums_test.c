/* SPDX-License-Identifier: BSD-3-Clause
 *
 * server/store/sums: records of many runs that come and go, against an array; rows that are taken
 * out of the middle of others; what is no number; failing allocations.
 */
#include "server/store/sums.h"

#include "common/err.h"
#include "common/mem.h"
#include "tests/unit/common/seed.h"

#include <endian.h>

enum { RUNS = 400, STEPS = 40000, LIVE = 900 };

/* A session whose value ends with these numbers. */
static struct record *session_of(uint32_t run, uint64_t first, uint64_t second)
{
    uint8_t value[1 + RECORD_SUMMED_NUMBERS * RECORD_SUMMED_BYTES] = {0x92};
    const uint64_t numbers[] = {htobe64(first), htobe64(second)};
    for (size_t i = 0; i < LENGTH_OF(numbers); i++) {
        value[1 + i * RECORD_SUMMED_BYTES] = 0xcf;
        memcpy(value + 2 + i * RECORD_SUMMED_BYTES, &numbers[i], sizeof numbers[i]);
    }
    struct record_spec spec = {.key = {run, KIND_session, bytes_of("s")},
                               .value = {value, sizeof value}};
    struct record *record = record_create(&spec);
    assert_non_null(record);
    return record;
}

static void check(const struct sums *sums, const struct sums_row *oracle)
{
    size_t rows = 0;
    for (uint32_t run = 0; run < RUNS; run++) {
        struct sums_row row = {.run = run, .kind = KIND_session};
        sums_read(sums, &row);
        assert_int_equal(row.records, oracle[run].records);
        assert_int_equal(row.numbers[0], oracle[run].numbers[0]);
        assert_int_equal(row.numbers[1], oracle[run].numbers[1]);
        rows += row.records > 0;
    }
    assert_int_equal(rows, sums->used);
    assert_true(2 * sums->used <= sums->capacity);
}

static void many(void **state)
{
    static struct sums_row oracle[RUNS];
    static struct record *live[LIVE];
    struct sums sums = {0};
    struct rng rng = seed_rng();
    size_t n = 0;
    (void)state;
    memset(oracle, 0, sizeof oracle);
    for (int step = 0; step < STEPS; step++) {
        /* first mostly more, then mostly less, and so on */
        bool add = n == 0 || (n < LIVE && rng_below(&rng, 8) < (step / 4000 % 2 ? 3u : 5u));
        size_t i = add ? n : rng_below(&rng, n);
        if (add) {
            live[n++] = session_of((uint32_t)rng_below(&rng, RUNS), rng_below(&rng, UINT32_MAX), 1);
            assert_int_equal(sums_reserve(&sums, 1), 0);
            sums_add(&sums, live[i]);
        } else
            sums_remove(&sums, live[i]);
        uint64_t numbers[RECORD_SUMMED_NUMBERS];
        record_summed(record_value(live[i]), numbers);
        struct sums_row *row = &oracle[record_run(live[i])];
        row->records += add ? 1 : UINT64_MAX;
        row->numbers[0] += add ? numbers[0] : -numbers[0];
        row->numbers[1] += add ? numbers[1] : -numbers[1];
        if (!add) {
            record_destroy(live[i]);
            live[i] = live[--n];
        }
        if (step % 100 == 0)
            check(&sums, oracle);
    }
    check(&sums, oracle);
    struct sums built = {0};
    assert_int_equal(sums_build(&built, (void *const *)live, n), 0);
    check(&built, oracle);
    assert_int_equal(sums_bytes(&built), built.capacity * sizeof *built.rows);
    while (n > 0) {
        sums_remove(&sums, live[--n]);
        record_destroy(live[n]);
    }
    assert_int_equal(sums.used, 0);
    sums_deinit(&sums);
    sums_deinit(&built);
    assert_int_equal(sums_bytes(&sums), 0);
}

/* Kinds that are not summed up leave no row; values without the numbers count as records. */
static void others(void **state)
{
    static const char *const values[] = {"", "x", "\xcf", "\x92\x01\x02"};
    struct sums sums = {0};
    struct sums_row row = {.run = 1, .kind = KIND_session};
    (void)state;
    struct record_spec spec = {.key = {1, KIND_kv, bytes_of("k")}, .value = bytes_of("v")};
    struct record *kv = record_create(&spec);
    sums_add(&sums, kv);
    sums_remove(&sums, kv);
    assert_int_equal(sums.used, 0);
    record_destroy(kv);
    for (size_t i = 0; i < LENGTH_OF(values); i++) {
        spec = (struct record_spec){.key = {1, KIND_session, bytes_of("s")},
                                    .value = bytes_of(values[i])};
        struct record *record = record_create(&spec);
        assert_int_equal(sums_reserve(&sums, 1), 0);
        sums_add(&sums, record);
        record_destroy(record);
    }
    sums_read(&sums, &row);
    assert_int_equal(row.records, LENGTH_OF(values));
    assert_int_equal(row.numbers[0] + row.numbers[1], 0);
    sums_deinit(&sums);
}

static void without_memory(void **state)
{
    struct sums sums = {0};
    struct record *record = session_of(7, 5, 6);
    void *const records[] = {record};
    (void)state;
    mem_fail_after(1, 0);
    assert_int_equal(sums_reserve(&sums, 1), ERR_OUT_OF_MEMORY);
    mem_fail_after(1, 0);
    assert_int_equal(sums_build(&sums, records, 1), ERR_OUT_OF_MEMORY);
    mem_fail_after(0, 0);
    assert_int_equal(sums_build(&sums, records, 1), 0);
    struct sums_row row = {.run = 7, .kind = KIND_session};
    mem_fail_after(1, 0);
    assert_int_equal(sums_reserve(&sums, 1000), ERR_OUT_OF_MEMORY); /* and what was there is */
    mem_fail_after(0, 0);
    sums_read(&sums, &row);
    assert_int_equal(row.records, 1);
    assert_int_equal(row.numbers[0], 5);
    assert_int_equal(row.numbers[1], 6);
    record_destroy(record);
    sums_deinit(&sums);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many),
        cmocka_unit_test(others),
        cmocka_unit_test(without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
