/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Values of options, by the type and the bounds of their rows.
 *
 * How: one parser for each type; what is wrong is said with the bounds of the row.
 *
 * Invariants: a field is only changed by a value that is right.
 * Threads: any; no state.
 * Failures: ERR_BAD_ARGUMENT; a default that does not parse ends the program.
 */
#include "client/loadgen/options_value.h"

#include "client/loadgen/text.h"
#include "common/err.h"
#include "common/num.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static int options_value_auto(const char *text, int64_t *out_ms)
{
    if (strcmp(text, "auto") != 0)
        return text_read_time(text, out_ms);
    *out_ms = OPTIONS_AUTO;
    return 0;
}

static int options_value_part(const char *text, size_t size, uint32_t *out_part)
{
    char digits[16];
    int64_t value;
    if (size == 0 || size >= sizeof digits)
        return ERR_BAD_ARGUMENT;
    memcpy(digits, text, size);
    digits[size] = 0;
    if (num_parse_int(digits, &value) != 0 || value < 0 || value > INT32_MAX)
        return ERR_BAD_ARGUMENT;
    *out_part = (uint32_t)value;
    return 0;
}

static int options_value_ratio(const struct options_row *row, const char *text,
                               struct ratio *out_ratio)
{
    struct ratio ratio = {0, 0};
    const char *colon = strchr(text, ':');
    if (colon == NULL || options_value_part(text, (size_t)(colon - text), &ratio.write) != 0 ||
        options_value_part(colon + 1, strlen(colon + 1), &ratio.read) != 0 ||
        ratio.write > row->max || ratio.read > row->max || ratio.write + ratio.read == 0)
        return ERR_BAD_ARGUMENT;
    *out_ratio = ratio;
    return 0;
}

static int options_value_number(const struct options_row *row, const char *text, int64_t *out_value)
{
    int64_t value = 0;
    int err = row->type == OPTIONS_TYPE_BYTES  ? num_parse_bytes(text, &value)
              : row->type == OPTIONS_TYPE_TIME ? text_read_time(text, &value)
              : row->type == OPTIONS_TYPE_AUTO ? options_value_auto(text, &value)
                                               : num_parse_int(text, &value);
    bool automatic = row->type == OPTIONS_TYPE_AUTO && value == OPTIONS_AUTO;
    if (err != 0 || (value < row->min && !automatic) || value > row->max)
        return ERR_BAD_ARGUMENT;
    *out_value = value;
    return 0;
}

static int options_value_real(const struct options_row *row, const char *text, double *out_value)
{
    long double value;
    struct bytes digits = bytes_of(text);
    if (digits.size > 0 && text[digits.size - 1] == '%' && strcmp(row->arg, "PERCENT") == 0)
        digits.size--;
    if (digits.size >= NUM_REAL_SIZE || !num_read_real(digits, &value) || value < row->min ||
        value > row->max)
        return ERR_BAD_ARGUMENT;
    *out_value = (double)value;
    return 0;
}

int options_value_set(const struct options_row *row, const char *text, struct options *out)
{
    char *field = (char *)out + row->field;
    size_t size = strlen(text);
    switch (row->type) {
    case OPTIONS_TYPE_TEXT:
        if ((int64_t)size < row->min || (int64_t)size > row->max)
            return ERR_BAD_ARGUMENT;
        memcpy(field, &text, sizeof text);
        return 0;
    case OPTIONS_TYPE_COUNT:
    case OPTIONS_TYPE_BYTES:
    case OPTIONS_TYPE_TIME:
    case OPTIONS_TYPE_AUTO:
        return options_value_number(row, text, (int64_t *)(void *)field);
    case OPTIONS_TYPE_RATIO:
        return options_value_ratio(row, text, (struct ratio *)(void *)field);
    case OPTIONS_TYPE_SIZES:
        return sizes_parse(text, row->min, row->max, (struct sizes *)(void *)field);
    case OPTIONS_TYPE_SPAN:
        return sizes_parse_span(text, row->min, row->max, (struct sizes *)(void *)field);
    case OPTIONS_TYPE_REAL:
        return options_value_real(row, text, (double *)(void *)field);
    case OPTIONS_TYPE_FLAG:
        *(bool *)field = true;
        return 0;
    case OPTIONS_TYPE_MAYBE:
        if (size > 0)
            return options_value_number(row, text, (int64_t *)(void *)field);
        *(int64_t *)(void *)field = OPTIONS_AUTO;
        return 0;
    case OPTIONS_TYPE_EACH:
        if ((int64_t)size < row->min || (int64_t)size > row->max || out->n_said == OPTIONS_SAID_MAX)
            return ERR_BAD_ARGUMENT;
        *(bool *)field = true;
        out->said[out->n_said++] =
            (struct options_said){(enum options_id)(row - options_table), text};
        return 0;
    }
    return ERR_BAD_ARGUMENT;
}

bool options_value_is_bare(const struct options_row *row)
{
    return row->type == OPTIONS_TYPE_FLAG || row->type == OPTIONS_TYPE_MAYBE;
}

void options_value_reset(const struct options_row *row, struct options *out)
{
    char *field = (char *)out + row->field;
    if (row->type == OPTIONS_TYPE_FLAG || row->type == OPTIONS_TYPE_EACH)
        *(bool *)field = false;
    else if (row->type == OPTIONS_TYPE_MAYBE)
        *(int64_t *)(void *)field = OPTIONS_NONE;
    else
        REQUIRE(options_value_set(row, row->fallback, out) == 0);
}

static void options_value_bound(int64_t bound, bool bytes, bool time,
                                char out[static NUM_TEXT_SIZE])
{
    if (bytes)
        num_format_bytes(bound, out);
    else if (time)
        num_format_duration_ms(bound, out);
    else
        (void)snprintf(out, NUM_TEXT_SIZE, "%" PRId64, bound);
}

void options_value_complain(const struct options_row *row, const char *hyphens, const char *text,
                            char out_detail[static OPTIONS_DETAIL_SIZE])
{
    static const char *const what[] = {
        [OPTIONS_TYPE_TEXT] = "a text of a length",
        [OPTIONS_TYPE_COUNT] = "a whole number",
        [OPTIONS_TYPE_BYTES] = "a size",
        [OPTIONS_TYPE_TIME] = "a time",
        [OPTIONS_TYPE_AUTO] = "a time",
        [OPTIONS_TYPE_RATIO] = "two numbers",
        [OPTIONS_TYPE_SIZES] = "a size",
        [OPTIONS_TYPE_SPAN] = "a size",
        [OPTIONS_TYPE_REAL] = "a number",
        [OPTIONS_TYPE_FLAG] = "nothing",
        [OPTIONS_TYPE_MAYBE] = "a whole number",
        [OPTIONS_TYPE_EACH] = "a text of a length",
    };
    static const char *const as[] = {
        [OPTIONS_TYPE_TEXT] = "",
        [OPTIONS_TYPE_COUNT] = "",
        [OPTIONS_TYPE_BYTES] = ", as 64 or 4KiB",
        [OPTIONS_TYPE_TIME] = ", as 10 (seconds) or 250ms",
        [OPTIONS_TYPE_AUTO] = ", as 10 (seconds) or 250ms, or auto",
        [OPTIONS_TYPE_RATIO] = ", as 1:10",
        [OPTIONS_TYPE_SIZES] = ", as 64, 64-4KiB, 64:90,4KiB:10 or lognormal:200,1.2",
        [OPTIONS_TYPE_SPAN] = ", as 32, or from one to another, as 16:40",
        [OPTIONS_TYPE_REAL] = "",
        [OPTIONS_TYPE_FLAG] = "",
        [OPTIONS_TYPE_MAYBE] = "",
        [OPTIONS_TYPE_EACH] = "",
    };
    char min[NUM_TEXT_SIZE], max[NUM_TEXT_SIZE];
    bool bytes = row->type == OPTIONS_TYPE_BYTES || row->type == OPTIONS_TYPE_SIZES;
    bool time = row->type == OPTIONS_TYPE_TIME || row->type == OPTIONS_TYPE_AUTO;
    options_value_bound(row->min, bytes, time, min);
    options_value_bound(row->max, bytes, time, max);
    (void)snprintf(out_detail, OPTIONS_DETAIL_SIZE, "%s%s %s: must be %s from %s to %s%s", hyphens,
                   row->name, text, what[row->type], min, max, as[row->type]);
}
