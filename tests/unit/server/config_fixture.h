/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the tests of the configuration share. A test gets a configuration of defaults as its state.
 */
#pragma once

#include "server/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static inline int setup(void **state)
{
    *state = config_create();
    return *state == NULL;
}

static inline int teardown(void **state)
{
    config_destroy(*state);
    return 0;
}

/* Load this text as the file "f". */
static inline int load(struct config *config, const char *yaml, struct err_detail *out_detail)
{
    return config_load_memory(config, yaml, strlen(yaml), "f", out_detail);
}

/* As --set does. */
static inline void set(struct config *config, const char *assignment)
{
    struct err_detail detail;
    if (config_override(config, assignment, &detail) != 0)
        fail_msg("%s", detail.text);
}

static inline void assert_value(const struct config *config, enum option_id id,
                                const char *expected)
{
    char text[CONFIG_VALUE_SIZE];
    config_format_value(config, id, text);
    assert_string_equal(text, expected);
}

static inline void assert_same(const struct config *a, const struct config *b)
{
    for (unsigned id = 0; id < OPTION_COUNT; id++) {
        char text[CONFIG_VALUE_SIZE];
        config_format_value(b, id, text);
        assert_value(a, id, text);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
