/* SPDX-License-Identifier: BSD-3-Clause
 *
 * server/ops/ckpt_diff: the runs make the new state and go forward in the old one, whatever the two
 * are; what is changed, put in or taken out costs about its own size; and no input makes it slow.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/err.h"
#include "common/mem.h"
#include "common/rng.h"
#include "proto/pack.h"
#include "server/ops/ckpt_diff.h"

#include <stdio.h>
#include <stdlib.h>

/* Both invariants; the bytes that are not common. */
static size_t check(struct bytes old, struct bytes new)
{
    struct ckpt_diff diff = {0};
    size_t old_at = 0, new_at = 0, added = 0;
    assert_int_equal(ckpt_diff_make(old, new, &diff), 0);
    for (size_t i = 0; i < diff.count; i++) {
        const struct ckpt_run *run = &diff.runs[i];
        assert_true(run->size > 0 && run->size <= new.size - new_at);
        assert_int_equal(run->new_at, new_at);
        if (run->common) {
            assert_true(run->old_at >= old_at && run->old_at <= old.size &&
                        run->size <= old.size - run->old_at);
            assert_memory_equal(old.data + run->old_at, new.data + new_at, run->size);
            old_at = run->old_at + run->size;
        } else {
            assert_true(i == 0 || diff.runs[i - 1].common); /* one run, not two */
            added += run->size;
        }
        new_at += run->size;
    }
    assert_int_equal(new_at, new.size);
    assert_int_equal(added, diff.added);
    ckpt_diff_deinit(&diff);
    return added;
}

static size_t check_bufs(const struct buf *old, const struct buf *new)
{
    return check(buf_bytes(old), buf_bytes(new));
}

static void pack_text(struct buf *out, uint64_t seed, size_t size)
{
    char text[4096];
    struct rng rng = {seed};
    for (size_t i = 0; i < size; i++)
        text[i] = (char)('a' + rng_below(&rng, 26));
    assert_int_equal(pack_str(out, (struct bytes){(uint8_t *)text, size}), 0);
}

/* {plan: [...], messages: [{role, content, meta: {n}}...], step}, messages by their numbers. */
static void pack_agent(struct buf *out, const unsigned *numbers, size_t n, unsigned changed)
{
    buf_init(out);
    assert_int_equal(pack_map(out, 2), 0);
    assert_int_equal(pack_str(out, bytes_of("messages")), 0);
    assert_int_equal(pack_array(out, n), 0);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(pack_map(out, 3), 0);
        assert_int_equal(pack_str(out, bytes_of("role")), 0);
        assert_int_equal(pack_str(out, bytes_of(numbers[i] % 2 ? "user" : "assistant")), 0);
        assert_int_equal(pack_str(out, bytes_of("content")), 0);
        pack_text(out, numbers[i], 100 + numbers[i] % 50);
        assert_int_equal(pack_str(out, bytes_of("meta")), 0);
        assert_int_equal(pack_map(out, 1), 0);
        assert_int_equal(pack_str(out, bytes_of("n")), 0);
        assert_int_equal(pack_uint(out, numbers[i] == changed ? 100000 : numbers[i]), 0);
    }
    assert_int_equal(pack_str(out, bytes_of("tools")), 0);
    pack_text(out, 7, 900);
}

enum { N = 100 };

/* Numbers `from` and up, one left out, one put in after `at`. */
static size_t agent_diff(unsigned from, size_t n, unsigned without, size_t at, unsigned changed)
{
    unsigned numbers[2 * N], then[2 * N];
    struct buf old, new;
    size_t count = 0;
    for (unsigned i = 0; i < N; i++)
        numbers[i] = i;
    for (unsigned i = 0; i < n; i++) {
        if (from + i != without)
            then[count++] = from + i;
        if (i == at)
            then[count++] = 5000;
    }
    pack_agent(&old, numbers, N, UINT32_MAX);
    pack_agent(&new, then, count, changed);
    size_t added = check_bufs(&old, &new);
    buf_deinit(&old);
    buf_deinit(&new);
    return added;
}

static void test_changes_cost_their_size(void **state)
{
    enum { NONE = 9999, ONE = 200 }; /* bytes of one message, and a little */
    (void)state;
    assert_int_equal(agent_diff(0, N, NONE, NONE, NONE), 0);
    assert_true(agent_diff(0, N, NONE, NONE, 50) < 10);          /* deep inside */
    assert_true(agent_diff(0, N + 1, NONE, NONE, NONE) < ONE);   /* one more */
    assert_true(agent_diff(0, N, 0, NONE, NONE) < 20);           /* the first goes */
    assert_true(agent_diff(0, N, 40, NONE, NONE) < 20);          /* one in the middle goes */
    assert_true(agent_diff(0, N, NONE, 40, NONE) < ONE);         /* one comes in the middle */
    assert_true(agent_diff(1, N, NONE, NONE, NONE) < ONE);       /* a window */
    assert_true(agent_diff(5, N + 1, NONE, NONE, 50) < 6 * ONE); /* all of that */
    assert_true(agent_diff(0, 50, NONE, NONE, NONE) < 20);       /* many go at the end */
}

/* Bytes that are no MessagePack: the same change at the same offset, at the end, at both ends. */
static void test_opaque(void **state)
{
    uint8_t old[5000], new[6000];
    struct rng rng = {1};
    (void)state;
    for (size_t i = 0; i < sizeof old; i++)
        old[i] = (uint8_t)rng_next(&rng);
    old[0] = 0xc1; /* nothing begins like that */
    memcpy(new, old, sizeof old);
    assert_int_equal(check((struct bytes){old, sizeof old}, (struct bytes){new, sizeof old}), 0);
    for (size_t i = 0; i < 10; i++)
        memset(new + 37 + i * 400, 0xee, 20);
    assert_true(check((struct bytes){old, sizeof old}, (struct bytes){new, sizeof old}) <= 200);
    memcpy(new, old, sizeof old);
    memset(new + sizeof old, 1, 1000);
    assert_true(check((struct bytes){old, sizeof old}, (struct bytes){new, sizeof new}) <= 1000);
    memcpy(new + 1000, old, sizeof old);
    memcpy(new, old, 2000);
    assert_true(check((struct bytes){old, sizeof old}, (struct bytes){new, sizeof new}) <= 1000);
    assert_int_equal(check((struct bytes){old, sizeof old}, (struct bytes){old, 100}), 0);
    assert_int_equal(check(BYTES_NONE, (struct bytes){old, 100}), 100);
    assert_int_equal(check((struct bytes){old, 100}, BYTES_NONE), 0);
    assert_int_equal(check(BYTES_NONE, BYTES_NONE), 0);
}

/* ---- any bytes ---- */

static void pack_random(struct buf *out, struct rng *rng, unsigned depth)
{
    uint64_t what = rng_below(rng, depth > 4 ? 6 : 10), n = rng_below(rng, 8);
    int err = 0;
    if (what < 2)
        err = pack_uint(out, rng_next(rng) >> rng_below(rng, 64));
    else if (what < 4)
        pack_text(out, rng_below(rng, 3), (size_t)rng_below(rng, 60));
    else if (what == 4)
        err = pack_nil(out);
    else if (what == 5)
        err = pack_bin(out, (struct bytes){(const uint8_t *)"0123456789abcdef", n});
    else
        err = what < 8 ? pack_array(out, n) : pack_map(out, n);
    assert_int_equal(err, 0);
    for (uint64_t i = 0; what >= 6 && i < (what < 8 ? n : 2 * n); i++)
        pack_random(out, rng, depth + 1);
}

/* Overwrite, insert, delete, or repeat a few bytes. */
static void mutate(struct buf *buf, struct rng *rng)
{
    uint8_t junk[16];
    size_t at = (size_t)rng_below(rng, buf->size + 1), n = (size_t)rng_below(rng, sizeof junk);
    uint64_t what = rng_below(rng, 3);
    for (size_t i = 0; i < sizeof junk; i++)
        junk[i] = (uint8_t)rng_next(rng);
    n = what != 1 && n > buf->size - at ? buf->size - at : n;
    if (n == 0)
        return;
    if (what == 0) {
        memcpy(buf->data + at, junk, n);
    } else if (what == 1) {
        size_t rest = buf->size - at;
        assert_int_equal(buf_append(buf, junk, n), 0);
        memmove(buf->data + at + n, buf->data + at, rest);
        memcpy(buf->data + at, junk, n);
    } else {
        memmove(buf->data + at, buf->data + at + n, buf->size - at - n);
        buf->size -= n;
    }
}

static void test_random(void **state)
{
    const char *text = getenv("SEED");
    struct rng rng = {text != NULL ? strtoull(text, NULL, 0) : 3};
    (void)state;
    printf("SEED=%llu\n", (unsigned long long)rng.state);
    for (int i = 0; i < 20000; i++) {
        struct buf old, new;
        buf_init(&old);
        buf_init(&new);
        pack_random(&old, &rng, 0);
        if (i % 3 == 0)
            pack_random(&new, &rng, 0);
        else
            assert_int_equal(buf_append(&new, old.data, old.size), 0);
        for (uint64_t n = rng_below(&rng, 6); n > 0; n--)
            mutate(rng_below(&rng, 4) == 0 ? &old : &new, &rng);
        (void)check_bufs(&old, &new);
        buf_deinit(&old);
        buf_deinit(&new);
    }
}

/* ---- what might be slow: minutes, if it took more than time in proportion ---- */

enum { TINY = 2000000, SIBLINGS = 8 };

/* Arrays of small things and one array, and so on; everything differs, at every level, and all that
 * is looked ahead at is the large one. */
static void pack_deep(struct buf *out, unsigned levels, unsigned seed)
{
    buf_init(out);
    for (unsigned level = 0; level < levels; level++) {
        assert_int_equal(pack_array(out, SIBLINGS + 1), 0);
        for (unsigned i = 0; i < SIBLINGS; i++)
            assert_int_equal(pack_uint(out, seed + i), 0);
    }
    assert_int_equal(pack_array(out, TINY), 0);
    assert_int_equal(buf_reserve(out, TINY), 0);
    memset(out->data + out->size, (int)seed, TINY);
    out->size += TINY;
}

static void test_never_slow(void **state)
{
    struct buf old, new;
    (void)state;
    pack_deep(&old, 30, 1);
    pack_deep(&new, 30, 100);
    (void)check_bufs(&old, &new);
    buf_deinit(&old);
    buf_deinit(&new);
    buf_init(&old);
    buf_init(&new);
    for (size_t i = 0; i < 1000000; i++) {
        uint8_t a = 0x91, b = i % 2 ? 0x91 : 0x81;
        assert_int_equal(buf_append(&old, &a, 1), 0);
        assert_int_equal(buf_append(&new, &b, 1), 0);
    }
    (void)check_bufs(&old, &new);
    buf_deinit(&old);
    buf_deinit(&new);
}

static void test_no_memory(void **state)
{
    unsigned numbers[N];
    struct buf old, new;
    int err = ERR_OUT_OF_MEMORY;
    (void)state;
    for (unsigned i = 0; i < N; i++)
        numbers[i] = i;
    pack_agent(&old, numbers, N, UINT32_MAX);
    for (unsigned i = 0; i < N; i++)
        numbers[i] = i + (i % 2) * 1000;
    pack_agent(&new, numbers, N, UINT32_MAX);
    for (unsigned long n = 1; err != 0; n++) {
        struct ckpt_diff diff = {0};
        mem_fail_after(n, 0);
        err = ckpt_diff_make(buf_bytes(&old), buf_bytes(&new), &diff);
        mem_fail_after(0, 0);
        assert_true(err == 0 ? n > 1 : err == ERR_OUT_OF_MEMORY);
        ckpt_diff_deinit(&diff);
    }
    buf_deinit(&old);
    buf_deinit(&new);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_changes_cost_their_size),
        cmocka_unit_test(test_opaque),
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_never_slow),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
