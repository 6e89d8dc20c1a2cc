/* SPDX-License-Identifier: BSD-3-Clause
 *
 * How much states take that change a little from step to step: 1,000 checkpoints of up to 100 KiB,
 * changed in the ways agents change them. Printed, and less than 5 % of full copies.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/clock.h"
#include "tests/unit/server/ops/ckpt_lab.h"

enum { STEPS = 1000, READ_EVERY = 8, ITEMS_MAX = 1600, STATE_BYTES = 100 * 1024 };

/* Makes the state of the next step out of the present one, which it may keep anywhere. */
struct course {
    const char *name;
    void (*step)(struct course *course, unsigned step);
    struct buf state;
    struct buf *items; /* values of keys, or messages */
    size_t n_items, item_bytes, changed;
    struct rng rng;
};

static void fill(struct course *course, struct buf *item, size_t size)
{
    item->size = 0;
    assert_int_equal(buf_reserve(item, size + 1), 0);
    for (; item->size < size; item->size++)
        item->data[item->size] = (uint8_t)(' ' + rng_below(&course->rng, 90));
}

static void pack_keys(struct course *course)
{
    int err = 0;
    course->state.size = 0;
    err |= pack_map(&course->state, course->n_items);
    for (size_t i = 0; i < course->n_items; i++) {
        char key[32];
        snprintf(key, sizeof key, "k%zu", i);
        err |= pack_str(&course->state, bytes_of(key));
        err |= pack_str(&course->state, buf_bytes(&course->items[i]));
    }
    assert_int_equal(err, 0);
}

static void pack_messages(struct course *course, size_t from)
{
    int err = 0;
    course->state.size = 0;
    err |= pack_map(&course->state, 2);
    err |= pack_str(&course->state, bytes_of("messages"));
    err |= pack_array(&course->state, course->n_items - from);
    for (size_t i = from; i < course->n_items; i++) {
        err |= pack_map(&course->state, 2);
        err |= pack_str(&course->state, bytes_of("role"));
        err |= pack_str(&course->state, bytes_of(i % 2 ? "user" : "assistant"));
        err |= pack_str(&course->state, bytes_of("content"));
        err |= pack_str(&course->state, buf_bytes(&course->items[i]));
    }
    err |= pack_str(&course->state, bytes_of("step"));
    err |= pack_uint(&course->state, course->n_items);
    assert_int_equal(err, 0);
}

/* Keys of one size, some of which get new values of that size. */
static void step_keys(struct course *course, unsigned step)
{
    for (size_t i = 0; i < (step == 0 ? course->n_items : course->changed); i++) {
        size_t at = step == 0 ? i : (size_t)rng_below(&course->rng, course->n_items);
        fill(course, &course->items[at], course->item_bytes);
    }
    pack_keys(course);
}

/* The same with values that become longer and shorter. */
static void step_keys_resized(struct course *course, unsigned step)
{
    for (size_t i = 0; i < (step == 0 ? course->n_items : course->changed); i++) {
        size_t at = step == 0 ? i : (size_t)rng_below(&course->rng, course->n_items);
        size_t size = course->item_bytes / 2 + (size_t)rng_below(&course->rng, course->item_bytes);
        fill(course, &course->items[at], size);
    }
    pack_keys(course);
}

static void step_messages(struct course *course, unsigned step)
{
    do
        fill(course, &course->items[course->n_items++], course->item_bytes);
    while (step == 0 && course->n_items < 20);
    pack_messages(course, 0);
}

/* Only the newest hundred are kept. */
static void step_window(struct course *course, unsigned step)
{
    do
        fill(course, &course->items[course->n_items++], course->item_bytes);
    while (step == 0 && course->n_items < 100);
    pack_messages(course, course->n_items - 100);
}

/* One string of bytes in which a range changes. */
static void step_opaque(struct course *course, unsigned step)
{
    if (step == 0) {
        fill(course, &course->state, STATE_BYTES);
        return;
    }
    size_t at = (size_t)rng_below(&course->rng, STATE_BYTES - course->changed);
    for (size_t i = 0; i < course->changed; i++)
        course->state.data[at + i] = (uint8_t)rng_next(&course->rng);
}

struct taken {
    uint64_t copies, bytes, memory, records, plan_ns, read_ns;
};

static void run_step(struct lab *lab, struct course *course, unsigned step, uint8_t *hash,
                     struct taken *taken)
{
    struct bytes previous = {hash, step == 0 ? 0 : CKPT_HASH_BYTES};
    uint8_t next[CKPT_HASH_BYTES];
    struct buf out;
    uint64_t bytes;
    buf_init(&out);
    course->step(course, step);
    lab_begin(lab);
    uint64_t begin = clock_mono_ns();
    assert_int_equal(lab_save(lab, step, buf_bytes(&course->state), previous, next, &bytes), 0);
    taken->plan_ns += clock_mono_ns() - begin;
    if (step % READ_EVERY == 0) {
        begin = clock_mono_ns();
        assert_int_equal(ckpt_state_read(&lab->space, (struct bytes){next, sizeof next}, &out), 0);
        taken->read_ns += clock_mono_ns() - begin;
        assert_true(bytes_equal(buf_bytes(&out), buf_bytes(&course->state)));
    }
    lab_end(lab, true);
    buf_deinit(&out);
    memcpy(hash, next, sizeof next);
    taken->copies += course->state.size;
    taken->bytes += bytes;
}

static void count_memory(const struct store *store, struct taken *taken)
{
    for (unsigned p = 0; p < store->n_partitions; p++) {
        struct omap_iter iter;
        struct record *record;
        omap_seek(&store->partitions[p].order, NULL, &iter);
        while ((record = omap_next(&iter)) != NULL) {
            bool piece = record_kind_of(record) == KIND_piece;
            taken->records += piece;
            taken->memory += piece ? record_memory(record) : 0;
        }
    }
}

static void run_course(struct course *course)
{
    uint8_t hash[CKPT_HASH_BYTES];
    struct taken taken = {0};
    struct lab lab;
    course->items = calloc(ITEMS_MAX, sizeof *course->items);
    lab_open(&lab, "0197a3c2-7d6e-7c50-8a4b-2f1d3e5a6b7c");
    for (unsigned step = 0; step < STEPS; step++)
        run_step(&lab, course, step, hash, &taken);
    struct ckpt_recounted counts = lab_check(&lab);
    assert_int_equal(counts.bytes, taken.bytes);
    count_memory(lab.store, &taken);
    printf("%-34s %5.2f %% of %3.0f MB (%5.2f %% in memory), %5llu records; "
           "plan %3.0f us, read %3.0f us\n",
           course->name, 100.0 * (double)taken.bytes / (double)taken.copies,
           (double)taken.copies / 1e6, 100.0 * (double)taken.memory / (double)taken.copies,
           (unsigned long long)taken.records, (double)taken.plan_ns / STEPS / 1e3,
           (double)taken.read_ns / STEPS * READ_EVERY / 1e3);
    assert_true(taken.bytes * 20 < taken.copies);
    lab_close(&lab);
    for (size_t i = 0; i < ITEMS_MAX; i++)
        buf_deinit(&course->items[i]);
    free(course->items);
    buf_deinit(&course->state);
}

static void test_courses(void **state)
{
    struct course courses[] = {
        {"100 keys of 1 KiB, 1 changed", step_keys, .n_items = 100, .item_bytes = 1014,
         .changed = 1},
        {"1000 keys of 100 B, 10 changed", step_keys, .n_items = 1000, .item_bytes = 95,
         .changed = 10},
        {"1600 keys of 60 B, 16 changed", step_keys, .n_items = 1600, .item_bytes = 58,
         .changed = 16},
        {"1000 keys, 10 changed in size", step_keys_resized, .n_items = 1000, .item_bytes = 95,
         .changed = 10},
        {"messages, 100 B more a step", step_messages, .item_bytes = 80},
        {"the newest 100 messages of 1 KiB", step_window, .item_bytes = 1000},
        {"100 KiB of bytes, 1 KiB changed", step_opaque, .changed = 1024},
    };
    (void)state;
    for (size_t i = 0; i < LENGTH_OF(courses); i++)
        run_course(&courses[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_courses)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
