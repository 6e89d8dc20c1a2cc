/* SPDX-License-Identifier: BSD-3-Clause
 *
 * client/loadgen/verify and acks: what a server holds is judged by what it has acknowledged; logs
 * come back as they were written, and what is none is refused.
 */
#include "client/loadgen/verify.h"

#include "common/err.h"
#include "common/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

enum { KEY = 7, MIN = 40, MAX = 64 };

static struct value_source source;
static char path[] = "/tmp/cairn-acks-XXXXXX";

static int set_up(void **state)
{
    (void)state;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    return value_init(&source, MIN, MAX, true, 0);
}

static int tear_down(void **state)
{
    (void)state;
    value_deinit(&source);
    return unlink(path);
}

/* The verdict about the value of a write. */
static enum verify_verdict judge(const struct ack *acks, size_t n, uint64_t write)
{
    uint8_t value[50];
    value_put(&source, value, sizeof value, KEY, write);
    return verify_judge(acks, n, &source, (struct bytes){value, sizeof value});
}

/* Times:      0        10        20        30        40
 *   write 1   |---------|
 *   write 2        |---------|
 *   write 3                       |-----------...        never answered
 *   write 4                                 |----|
 */
static const struct ack history[] = {
    {KEY, 1, 1, 10},
    {KEY, 2, 5, 15},
    {KEY, 3, 20, 0},
    {KEY, 4, 30, 35},
};

static void order(void **state)
{
    (void)state;
    /* Of two that overlap, either may be the last. */
    assert_int_equal(judge(history, 2, 1), VERIFY_HOLDS);
    assert_int_equal(judge(history, 2, 2), VERIFY_HOLDS);
    assert_int_equal(judge(history, 3, 1), VERIFY_HOLDS);
    assert_int_equal(judge(history, 3, 3), VERIFY_UNANSWERED);
    /* The fourth was sent when the first two had been answered. */
    assert_int_equal(judge(history, 4, 1), VERIFY_STALE);
    assert_int_equal(judge(history, 4, 2), VERIFY_STALE);
    assert_int_equal(judge(history, 4, 3), VERIFY_UNANSWERED);
    assert_int_equal(judge(history, 4, 4), VERIFY_HOLDS);
    assert_int_equal(judge(history, 4, 5), VERIFY_FOREIGN);
}

static void absent(void **state)
{
    (void)state;
    assert_int_equal(verify_judge(history, 1, &source, BYTES_NONE), VERIFY_LOST);
    assert_int_equal(verify_judge(history + 2, 1, &source, BYTES_NONE), VERIFY_HOLDS);
    assert_int_equal(verify_judge(history + 2, 2, &source, BYTES_NONE), VERIFY_LOST);
}

static void damaged(void **state)
{
    (void)state;
    uint8_t value[50];
    assert_int_equal(verify_judge(history, 4, &source, bytes_of("")), VERIFY_DAMAGED);
    for (size_t i = 0; i < sizeof value; i++) {
        value_put(&source, value, sizeof value, KEY, 4);
        value[i] ^= 1;
        enum verify_verdict verdict =
            verify_judge(history, 4, &source, (struct bytes){value, sizeof value});
        assert_int_not_equal(verdict, VERIFY_HOLDS);
        assert_int_not_equal(verdict, VERIFY_UNANSWERED);
    }
    value_put(&source, value, sizeof value, KEY + 1, 4);
    assert_int_equal(verify_judge(history, 4, &source, (struct bytes){value, sizeof value}),
                     VERIFY_DAMAGED);
}

/* The same write twice, as of a preload and a test: what counts is the later one. */
static void twice(void **state)
{
    (void)state;
    const struct ack acks[] = {{KEY, 1, 1, 10}, {KEY, 2, 11, 20}, {KEY, 1, 21, 30}};
    assert_int_equal(judge(acks, 3, 1), VERIFY_HOLDS);
    assert_int_equal(judge(acks, 3, 2), VERIFY_STALE);
}

enum { MANY = 5000 }; /* more than a buffer holds */

static void written_and_read(void **state)
{
    (void)state;
    struct acks acks;
    struct buf buffer;
    struct ack *found;
    size_t count, min, max;
    char detail[ACKS_DETAIL_SIZE];
    buf_init(&buffer);
    assert_int_equal(acks_create(&acks, path, MIN, MAX, detail), 0);
    for (uint64_t i = 0; i < MANY; i++) {
        const struct ack ack = {(i * 7919) % MANY, i, i + 1, i % 3 == 0 ? 0 : UINT64_MAX - i};
        assert_int_equal(acks_add(&acks, &buffer, &ack), 0);
    }
    assert_int_equal(acks_flush(&acks, &buffer), 0);
    close(acks.fd);
    buf_deinit(&buffer);
    assert_int_equal(acks_read(path, &found, &count, &min, &max, detail), 0);
    assert_true(count == MANY && min == MIN && max == MAX);
    for (uint64_t key = 0; key < MANY; key++) {
        const struct ack *ack = &found[key];
        uint64_t i = ack->write;
        assert_true(ack->key == key && (i * 7919) % MANY == key && ack->sent == i + 1);
        assert_true(ack->answered == (i % 3 == 0 ? 0 : UINT64_MAX - i));
    }
    mem_free(found);
}

static void reads_nothing_else(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "{}\n",
        "loadgen-acks 2 64 64\n",
        "loadgen-acks 1 64\n",
        "loadgen-acks 1 10 64\n",
        "loadgen-acks 1 65 64\n",
        "loadgen-acks 1 64 99999999999\n",
        "loadgen-acks 1 64 64\nx 1 2 3 4\n",
        "loadgen-acks 1 64 64\na 1 2 3\n",
        "loadgen-acks 1 64 64\na 1 2 3 0\n",
        "loadgen-acks 1 64 64\no 1 2 3 4\n",
        "loadgen-acks 1 64 64\na 1 2 3 4 5\n",
        "loadgen-acks 1 64 64\na 1 2 -3 4\n",
        "loadgen-acks 1 64 64\na 1 2 3 99999999999999999999\n",
        "loadgen-acks 1 64 64\na 1 2 3 4",
    };
    for (size_t i = 0; i < LENGTH_OF(texts); i++) {
        struct ack *found;
        size_t count, min, max;
        char detail[ACKS_DETAIL_SIZE];
        FILE *file = fopen(path, "w");
        assert_true(fputs(texts[i], file) >= 0 && fclose(file) == 0);
        if (acks_read(path, &found, &count, &min, &max, detail) != ERR_BAD_ARGUMENT)
            fail_msg("%s was read", texts[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order),
        cmocka_unit_test(absent),
        cmocka_unit_test(damaged),
        cmocka_unit_test(twice),
        cmocka_unit_test(written_and_read),
        cmocka_unit_test(reads_nothing_else),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
