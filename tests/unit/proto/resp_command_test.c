/* SPDX-License-Identifier: BSD-3-Clause
 *
 * proto/resp_command: every row is found in any case, and nothing else is, however near; numbers of
 * arguments; what a row says of itself.
 */
#include "proto/resp_command.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include <cmocka.h>

enum { NAME_MAX = 32 };

/* The plain way to look a name up. */
static const struct resp_command *slow_find(struct bytes name)
{
    for (unsigned i = 0; i < RESP_COUNT; i++) {
        const char *row = resp_table[i].name;
        if (strlen(row) == name.size && strncasecmp(row, (const char *)name.data, name.size) == 0)
            return &resp_table[i];
    }
    return NULL;
}

static void check_find(const char *text, size_t size)
{
    uint8_t *copy = malloc(size + (size == 0)); /* ends where its memory ends */
    assert_non_null(copy);
    memcpy(copy, text, size);
    struct bytes name = {copy, size};
    assert_ptr_equal(resp_find(name), slow_find(name));
    free(copy);
}

static void every_case(void **state)
{
    (void)state;
    for (unsigned i = 0; i < RESP_COUNT; i++) {
        const char *row = resp_table[i].name;
        size_t size = strlen(row);
        assert_true(size < NAME_MAX);
        for (unsigned bits = 0; bits < 1u << (size < 12 ? size : 12); bits++) {
            char name[NAME_MAX];
            for (size_t k = 0; k < size; k++)
                name[k] = (char)((bits >> k & 1) != 0 ? toupper(row[k]) : row[k]);
            assert_ptr_equal(resp_find((struct bytes){(uint8_t *)name, size}), &resp_table[i]);
        }
    }
}

/* One bit of one byte is another; one byte is missing or too many. */
static void near_names(void **state)
{
    (void)state;
    for (unsigned i = 0; i < RESP_COUNT; i++) {
        char name[NAME_MAX + 1] = "";
        size_t size = strlen(resp_table[i].name);
        memcpy(name, resp_table[i].name, size);
        for (size_t bit = 0; bit < 8 * size; bit++) {
            name[bit / 8] ^= (char)(1u << (bit % 8));
            check_find(name, size);
            name[bit / 8] ^= (char)(1u << (bit % 8));
        }
        for (size_t cut = 0; cut < size; cut++)
            check_find(name, cut);
        check_find(name, size + 1); /* with a NUL */
        for (int c = 'a'; c <= 'z'; c++) {
            name[size] = (char)c;
            check_find(name, size + 1);
        }
    }
}

static void unknown_names(void **state)
{
    (void)state;
    static const char *const names[] = {"",
                                        "x",
                                        "hset",
                                        "get ",
                                        " get",
                                        "g\xc5t",
                                        "client|list",
                                        "ge\x54\x20",
                                        "incrbyfloax",
                                        "pexpiretimf",
                                        "flushallflushall",
                                        "select0"};
    for (size_t i = 0; i < LENGTH_OF(names); i++) {
        assert_null(slow_find(bytes_of(names[i])));
        check_find(names[i], strlen(names[i]));
    }
    char zeros[NAME_MAX] = "";
    for (size_t size = 0; size < NAME_MAX; size++)
        check_find(zeros, size);
}

/* Bytes beside the letters that one bit makes letters, or the other way round, are no letters. */
static void words(void **state)
{
    (void)state;
    static const struct {
        const char *arg, *word;
        bool is;
    } rows[] = {
        {"nx", "nx", true},  {"NX", "nx", true},   {"nX", "nx", true},  {"", "", true},
        {"n", "nx", false},  {"nxx", "nx", false}, {"", "nx", false},   {"n\x18", "nx", false},
        {"a[", "a{", false}, {"a{", "a[", false},  {"a@", "a`", false}, {"\xcex", "nx", false},
    };
    for (size_t i = 0; i < LENGTH_OF(rows); i++)
        assert_int_equal(resp_is(bytes_of(rows[i].arg), rows[i].word), rows[i].is);
    assert_false(resp_is((struct bytes){(const uint8_t *)"nx\0", 3}, "nx"));
}

static void arity(void **state)
{
    (void)state;
    for (unsigned i = 0; i < RESP_COUNT; i++) {
        const struct resp_command *command = &resp_table[i];
        int64_t least = llabs(command->arity) - 1; /* without the name */
        assert_true(command->arity != 0 && least >= 0 && least < 10);
        for (uint32_t n = 0; n < 12; n++)
            assert_int_equal(resp_arity_fits(command, n),
                             command->arity > 0 ? n == least : n >= least);
        assert_int_equal(resp_arity_fits(command, UINT32_MAX), command->arity < 0);
    }
}

static void rows_are_sound(void **state)
{
    (void)state;
    for (unsigned i = 0; i < RESP_COUNT; i++) {
        const struct resp_command *command = &resp_table[i];
        bool spells = command->op >= 0;
        assert_int_equal(command->id, i);
        assert_int_equal(spells, command->map != NULL);
        assert_int_equal(spells, command->shape != RESP_SHAPE_NONE);
        assert_true(command->summary[strlen(command->summary) - 1] == '.');
        for (const char *p = command->name; *p != 0; p++)
            assert_true(*p >= 'a' && *p <= 'z');
        if (!spells)
            continue;
        bool writes = (op_table[command->op].flags & OP_WRITE) != 0;
        bool may = (command->flags & RESP_WRITE) != 0;
        assert_true(may || !writes);
        bool grows = (op_table[command->op].flags & OP_GROWS) != 0;
        assert_int_equal(grows, (command->flags & RESP_DENYOOM) != 0);
        assert_false((command->flags & RESP_READONLY) && may);
    }
}

static int set_up(void **state)
{
    (void)state;
    op_init();
    resp_init();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_case),    cmocka_unit_test(near_names),
        cmocka_unit_test(unknown_names), cmocka_unit_test(words),
        cmocka_unit_test(arity),         cmocka_unit_test(rows_are_sound),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
