/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Numbers with units as people write them: "16MiB", "10s", "yes". Strict: the whole text must be
 * the number, with no space, sign (but the minus of num_parse_int), leading zero or fraction; a
 * unit is written exactly as below. What a format function writes, its parse function reads back as
 * the same number.
 *
 * Parsers return 0, ERR_BAD_ARGUMENT (not such a number) or ERR_OVERFLOW (does not fit an int64).
 * Any thread.
 */
#pragma once

#include "common/bytes.h"
#include "common/check.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    NUM_TEXT_SIZE = 32,  /* room for any number formatted here but those of num_format_real */
    NUM_REAL_SIZE = 400, /* room for those; NUL included in both */
};

/* "-42" */
MUST_USE int num_parse_int(const char *text, int64_t *out_value);

/* The same of bytes that need not end in NUL; "-0" is none. False if it is not such a number, or
 * does not fit. */
MUST_USE bool num_read_int(struct bytes text, int64_t *out_value);

/* A decimal number with an optional fraction and exponent, "-1.5e3". False if it is anything else,
 * infinite or not a number. At most NUM_REAL_SIZE - 1 bytes. */
MUST_USE bool num_read_real(struct bytes text, long double *out_value);

/* "64", "64B", "64KiB", "16MiB", "2GiB", "1TiB": powers of 1024. Never negative. */
MUST_USE int num_parse_bytes(const char *text, int64_t *out_bytes);

/* "250" (milliseconds), "250ms", "10s", "5m", "2h", "7d". Never negative. */
MUST_USE int num_parse_duration_ms(const char *text, int64_t *out_ms);

/* File permissions, "0660" or "660": octal digits, at most 07777. */
MUST_USE int num_parse_mode(const char *text, int64_t *out_mode);

/* "true", "yes", "on", "false", "no", "off". */
MUST_USE int num_parse_bool(const char *text, bool *out_value);

/* In the largest unit that divides the number: "16MiB", "1000", "0"; "1h", "1500ms", "0". The
 * number is not negative. */
void num_format_bytes(int64_t bytes, char out_text[static NUM_TEXT_SIZE]);
void num_format_duration_ms(int64_t ms, char out_text[static NUM_TEXT_SIZE]);

/* The shortest decimal text that reads back as the same double, without exponent: "10.6", "5200",
 * "-0.001". A value that is not finite becomes "inf", "-inf" or "nan". */
void num_format_real(double value, char out_text[static NUM_REAL_SIZE]);
