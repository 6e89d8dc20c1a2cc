/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Reads and writes numbers with units.
 *
 * How: digits first, with checked arithmetic, then the unit is looked up in a table and multiplied
 * in. Formatting walks the same table from the largest unit down.
 *
 * Invariants: parse(format(n)) == n; no floating point but in the functions named real.
 * Threads: any; no state.
 * Failures: ERR_BAD_ARGUMENT, ERR_OVERFLOW; the output is then untouched.
 */
#include "common/num.h"

#include "common/err.h"

#include <inttypes.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct unit {
    const char *name;
    int64_t factor;
    bool in_output;
};

/* From the largest to the smallest; the empty name is that of a plain number. */
static const struct unit bytes_units[] = {
    {"TiB", INT64_C(1) << 40, true},
    {"GiB", INT64_C(1) << 30, true},
    {"MiB", INT64_C(1) << 20, true},
    {"KiB", INT64_C(1) << 10, true},
    {"", 1, true},
    {"B", 1, false},
};

static const struct unit duration_units[] = {
    {"d", 86400000, true}, {"h", 3600000, true}, {"m", 60000, true},
    {"s", 1000, true},     {"ms", 1, true},      {"", 1, false},
};

/* Read digits of this base; *out_end is the first byte behind them. */
static int parse_digits(const char *text, int base, int64_t *out_value, const char **out_end)
{
    const char *at = text;
    int64_t value = 0;
    for (; *at >= '0' && *at < '0' + base; at++) {
        if (__builtin_mul_overflow(value, base, &value) ||
            __builtin_sub_overflow(value, *at - '0', &value))
            return ERR_OVERFLOW;
    }
    if (at == text)
        return ERR_BAD_ARGUMENT;
    *out_value = value; /* negative, so that INT64_MIN fits */
    *out_end = at;
    return 0;
}

/* As above, in decimal, and "00" or "07" are refused: is that octal? */
static int parse_decimal(const char *text, int64_t *out_negated, const char **out_end)
{
    int64_t negated;
    const char *end;
    int err = parse_digits(text, 10, &negated, &end);
    if (err != 0)
        return err;
    if (text[0] == '0' && end - text > 1)
        return ERR_BAD_ARGUMENT;
    *out_negated = negated;
    *out_end = end;
    return 0;
}

int num_parse_int(const char *text, int64_t *out_value)
{
    bool negative = text[0] == '-';
    int64_t value;
    const char *end;
    int err = parse_decimal(text + (negative ? 1 : 0), &value, &end);
    if (err != 0)
        return err;
    if (*end != '\0')
        return ERR_BAD_ARGUMENT;
    if (!negative && __builtin_sub_overflow(0, value, &value))
        return ERR_OVERFLOW;
    *out_value = value;
    return 0;
}

static int parse_units(const char *text, const struct unit *units, size_t count, int64_t *out_value)
{
    int64_t value;
    const char *end;
    int err = parse_decimal(text, &value, &end);
    if (err != 0)
        return err;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(end, units[i].name) != 0)
            continue;
        if (__builtin_mul_overflow(value, -units[i].factor, &value))
            return ERR_OVERFLOW;
        *out_value = value;
        return 0;
    }
    return ERR_BAD_ARGUMENT;
}

int num_parse_bytes(const char *text, int64_t *out_bytes)
{
    return parse_units(text, bytes_units, LENGTH_OF(bytes_units), out_bytes);
}

int num_parse_duration_ms(const char *text, int64_t *out_ms)
{
    return parse_units(text, duration_units, LENGTH_OF(duration_units), out_ms);
}

int num_parse_mode(const char *text, int64_t *out_mode)
{
    int64_t negated;
    const char *end;
    int err = parse_digits(text, 8, &negated, &end);
    if (err != 0)
        return err;
    if (*end != '\0' || negated < -07777)
        return ERR_BAD_ARGUMENT;
    *out_mode = -negated;
    return 0;
}

int num_parse_bool(const char *text, bool *out_value)
{
    static const struct {
        const char *word;
        bool value;
    } words[] = {{"true", true},   {"yes", true}, {"on", true},
                 {"false", false}, {"no", false}, {"off", false}};
    for (size_t i = 0; i < LENGTH_OF(words); i++) {
        if (strcmp(text, words[i].word) == 0) {
            *out_value = words[i].value;
            return 0;
        }
    }
    return ERR_BAD_ARGUMENT;
}

static void format_units(int64_t value, const struct unit *units, char *out_text)
{
    REQUIRE(value >= 0);
    const struct unit *unit = units;
    while (!unit->in_output || value % unit->factor != 0)
        unit++;
    (void)snprintf(out_text, NUM_TEXT_SIZE, "%" PRId64 "%s", value / unit->factor,
                   value == 0 ? "" : unit->name);
}

void num_format_bytes(int64_t bytes, char out_text[static NUM_TEXT_SIZE])
{
    format_units(bytes, bytes_units, out_text);
}

void num_format_duration_ms(int64_t ms, char out_text[static NUM_TEXT_SIZE])
{
    format_units(ms, duration_units, out_text);
}

bool num_read_int(struct bytes text, int64_t *out_value)
{
    bool negative = text.size > 0 && text.data[0] == '-';
    size_t i = negative ? 1 : 0, digits = text.size - i;
    int64_t value = 0;
    if (digits == 0 || digits > 19 || (text.data[i] == '0' && text.size > 1))
        return false;
    for (; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9' || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_sub_overflow(value, text.data[i] - '0', &value))
            return false; /* counted downwards, as the lowest number has no positive twin */
    }
    if (!negative && __builtin_sub_overflow(0, value, &value))
        return false;
    *out_value = value;
    return true;
}

bool num_read_real(struct bytes text, long double *out_value)
{
    char copy[NUM_REAL_SIZE], *end;
    if (text.size == 0 || text.size >= sizeof copy)
        return false;
    for (size_t i = 0; i < text.size; i++) { /* no space, no hexadecimal, no words */
        char c = (char)text.data[i];
        if ((c < '0' || c > '9') && c != '.' && c != '-' && c != '+' && c != 'e' && c != 'E')
            return false;
    }
    memcpy(copy, text.data, text.size);
    copy[text.size] = 0;
    long double value = strtold(copy, &end);
    if (end != copy + text.size || !isfinite(value))
        return false;
    *out_value = value;
    return true;
}

/* Digits and a decimal exponent, "d.ddde+xx", as a number without exponent. */
static void format_fixed(const char *scientific, char *out)
{
    char digits[24];
    int n = 0, exponent = (int)strtol(strchr(scientific, 'e') + 1, NULL, 10);
    for (const char *p = scientific; *p != 'e'; p++)
        if (*p >= '0' && *p <= '9')
            digits[n++] = *p;
    while (n > 1 && digits[n - 1] == '0')
        n--;
    if (scientific[0] == '-')
        *out++ = '-';
    /* Position i is the digit for 10^(exponent - i); the point stands behind the one for 10^0. */
    for (int i = exponent < 0 ? exponent : 0; i < n || i <= exponent; i++) {
        *out++ = i < 0 || i >= n ? '0' : digits[i];
        if (i == exponent && i + 1 < n)
            *out++ = '.';
    }
    *out = 0;
}

void num_format_real(double value, char out_text[static NUM_REAL_SIZE])
{
    char scientific[40];
    if (!isfinite(value)) {
        (void)snprintf(out_text, NUM_REAL_SIZE, "%s",
                       isnan(value) ? "nan"
                       : value < 0  ? "-inf"
                                    : "inf");
        return;
    }
    for (int precision = 14; precision <= 16; precision++) {
        (void)snprintf(scientific, sizeof scientific, "%.*e", precision, value);
        if (strtod(scientific, NULL) == value)
            break;
    }
    format_fixed(scientific, out_text);
}
