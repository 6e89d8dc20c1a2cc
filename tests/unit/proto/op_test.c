/* SPDX-License-Identifier: BSD-3-Clause
 *
 * proto/op: the table is consistent with its rows, and names are found exactly: neither a shorter,
 * a longer, a changed one nor one with a NUL in it.
 */
#include "proto/op.h"

#include "common/check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static int set_up(void **state)
{
    (void)state;
    op_init();
    op_init(); /* again is harmless */
    return 0;
}

/* A view that ends where its memory ends. */
static struct bytes exact(const char *data, size_t size)
{
    uint8_t *copy = malloc(size + (size == 0));
    memcpy(copy, data, size);
    return (struct bytes){copy, size};
}

static const struct op *find_exact(const char *data, size_t size)
{
    struct bytes name = exact(data, size);
    const struct op *op = op_find(name);
    free((void *)(uintptr_t)name.data);
    return op;
}

static int arg_exact(const struct op *op, const char *data, size_t size)
{
    struct bytes name = exact(data, size);
    int index = op_arg_find(op, name);
    free((void *)(uintptr_t)name.data);
    return index;
}

static void rows(void **state)
{
    (void)state;
    for (unsigned i = 0; i < OP_COUNT; i++) {
        const struct op *op = &op_table[i];
        unsigned required = 0, positional = 0;
        assert_int_equal(op->id, i);
        assert_int_equal(op->name_size, strlen(op->name));
        for (unsigned k = 0; k < op->n_args; k++) {
            required += op->args[k].place == ARG_REQUIRED;
            positional += op->args[k].place != ARG_NAMED;
            assert_true(op->args[k].type < ARG_TYPE_COUNT);
        }
        assert_int_equal(op->n_required, required);
        assert_int_equal(op->n_positional, positional);
    }
    assert_true(op_table[OP_kv_put].flags == (OP_WRITE | OP_GROWS | OP_KEYED | OP_BATCH));
    assert_int_equal(op_table[OP_server_sync].n_args, 0);
    assert_int_equal(op_table[OP_kv_incr].n_required, 1);
    assert_int_equal(op_table[OP_kv_incr].n_positional, 2);
}

static void types(void **state)
{
    (void)state;
    assert_string_equal(arg_type_table[ARG_KEY].word, "key");
    for (unsigned i = 0; i < ARG_TYPE_COUNT; i++)
        assert_true(arg_type_table[i].word[0] != 0 && arg_type_table[i].text[0] != 0);
}

/* The handler's struct and the decoder's array are the same thing. */
static void structs(void **state)
{
    (void)state;
    assert_int_equal(offsetof(struct args_kv_put, value), sizeof(struct arg));
    assert_int_equal(offsetof(struct args_kv_put, end_),
                     op_table[OP_kv_put].n_args * sizeof(struct arg));
    assert_int_equal(offsetof(struct args_of_all, end_), OP_ARGS_OF_ALL * sizeof(struct arg));
    assert_string_equal(op_args_of_all[0].name, "run");
    assert_string_equal(op_args_of_all[1].name, "durability");
}

/* Any change of one byte of a name is no name. */
static void check_changed(const char *name)
{
    char changed[OP_NAME_MAX + 2];
    size_t size = strlen(name);
    for (size_t i = 0; i < size; i++) {
        memcpy(changed, name, size + 1);
        changed[i] ^= 0x20;
        assert_null(find_exact(changed, size));
        changed[i] = 0;
        assert_null(find_exact(changed, size));
    }
}

static void check_name(const char *name, const struct op *op)
{
    char longer[OP_NAME_MAX + 2] = {0};
    size_t size = strlen(name);
    assert_ptr_equal(find_exact(name, size), op);
    memcpy(longer, name, size);
    assert_null(find_exact(longer, size + 1)); /* a NUL behind it */
    longer[size] = 'x';
    assert_null(find_exact(longer, size + 1));
    if (size > 1)
        assert_true(find_exact(name, size - 1) != op);
    check_changed(name);
}

static void names(void **state)
{
    (void)state;
    const char *alias;
    enum op_id id = OP_COUNT;
    unsigned aliases = 0;
    for (unsigned i = 0; i < OP_COUNT; i++)
        check_name(op_table[i].name, &op_table[i]);
    while ((alias = op_alias(aliases, &id)) != NULL) {
        check_name(alias, &op_table[id]);
        aliases++;
    }
    assert_true(aliases >= 3);
    assert_ptr_equal(op_find(bytes_of("ping")), &op_table[OP_server_ping]);
}

static void no_names(void **state)
{
    (void)state;
    char zeros[OP_NAME_MAX + 1] = {0};
    assert_null(op_find(BYTES_NONE));
    for (size_t size = 0; size <= sizeof zeros; size++)
        assert_null(find_exact(zeros, size));
    assert_null(op_find(bytes_of("server.config_get.and.much.more.than.fits")));
}

static void check_args(const struct op *op, const struct arg_desc *args, unsigned n, unsigned first)
{
    for (unsigned i = 0; i < n; i++) {
        char longer[OP_NAME_MAX + 1] = {0};
        size_t size = strlen(args[i].name);
        memcpy(longer, args[i].name, size);
        assert_int_equal(arg_exact(op, longer, size), first + i);
        assert_int_not_equal(arg_exact(op, longer, size - 1), first + i);
        for (size_t more = size + 1; more < sizeof longer; more++)
            assert_int_equal(arg_exact(op, longer, more), -1); /* NULs behind it */
        longer[size] = '_';
        assert_int_equal(arg_exact(op, longer, size + 1), -1);
        longer[0] = 0;
        assert_int_equal(arg_exact(op, longer, size), -1);
    }
}

static void arguments(void **state)
{
    (void)state;
    for (unsigned i = 0; i < OP_COUNT; i++) {
        const struct op *op = &op_table[i];
        check_args(op, op->args, op->n_args, 0);
        check_args(op, op_args_of_all, OP_ARGS_OF_ALL, op->n_args);
        assert_int_equal(op_arg_find(op, BYTES_NONE), -1);
        assert_int_equal(op_arg_find(op, bytes_of("an_option_with_far_too_long_a_name")), -1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows),  cmocka_unit_test(types),    cmocka_unit_test(structs),
        cmocka_unit_test(names), cmocka_unit_test(no_names), cmocka_unit_test(arguments),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
