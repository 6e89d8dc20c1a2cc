/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Formats figures, and reads times.
 *
 * How: digits are written from the right, with a comma before each third; microseconds are rounded.
 *
 * Invariants: independent of the locale.
 * Threads: any; no state. Failures: ERR_BAD_ARGUMENT; the largest number fits.
 */
#include "client/loadgen/text.h"

#include "common/err.h"
#include "common/num.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void text_count(uint64_t value, char out_text[static TEXT_SIZE])
{
    char text[TEXT_SIZE];
    char *at = text + sizeof text - 1;
    unsigned digits = 0;
    *at = 0;
    do {
        if (digits > 0 && digits % 3 == 0)
            *--at = ',';
        *--at = (char)('0' + value % 10);
        value /= 10;
        digits++;
    } while (value > 0);
    memcpy(out_text, at, (size_t)(text + sizeof text - at));
}

int text_read_time(const char *text, int64_t *out_ms)
{
    int64_t seconds;
    if (num_parse_int(text, &seconds) != 0)
        return num_parse_duration_ms(text, out_ms);
    if (seconds < 0 || seconds > INT64_MAX / 1000)
        return ERR_BAD_ARGUMENT;
    *out_ms = seconds * 1000;
    return 0;
}

void text_ms(uint64_t ns, char out_text[static TEXT_SIZE])
{
    uint64_t us = ns / 1000 + (ns % 1000 >= 500);
    char whole[TEXT_SIZE];
    text_count(us / 1000, whole);
    (void)snprintf(out_text, TEXT_SIZE, "%.30s.%03u", whole, (unsigned)(us % 1000));
}
