/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the files server/config*.c share; nobody else includes this.
 */
#pragma once

#include "server/config.h"

/* A parsed value. */
struct config_value {
    int64_t number; /* all types but TEXT; ENUM: the index of the word */
    char *text;     /* TEXT only; owned */
};

struct config {
    struct config_value values[OPTION_COUNT];
    char *overrides[OPTION_COUNT]; /* as given to config_override, or NULL; owned */
};

/* Put the sentence into the detail, with every byte that is not printable replaced; returns err. */
int config_fail(struct err_detail *out_detail, int err, const char *format, ...) PRINTF_LIKE(3, 4);

/* The sentence for a name that config_find does not know, with the closest one that there is. */
int config_fail_unknown(struct err_detail *out_detail, const char *name);
int config_fail_unknown_section(struct err_detail *out_detail, const char *name);

/* Read `text` as a value of this option; the caller owns what is in it. */
MUST_USE int config_value_parse(const struct config_option *option, const char *text,
                                struct config_value *out_value, struct err_detail *out_detail);
void config_value_format(const struct config_option *option, const struct config_value *value,
                         char out_text[static CONFIG_VALUE_SIZE]);
bool config_value_equal(const struct config_value *a, const struct config_value *b);

/* The default of an option; the caller owns what is in it. */
MUST_USE int config_value_default(const struct config_option *option,
                                  struct config_value *out_value);

/* A copy with values of its own; NULL without memory. */
MUST_USE struct config *config_clone(const struct config *config);

/* Exchange all values. */
void config_swap(struct config *a, struct config *b);

/* Parse and assign one value. */
MUST_USE int config_assign(struct config *config, enum option_id id, const char *text,
                           struct err_detail *out_detail);
