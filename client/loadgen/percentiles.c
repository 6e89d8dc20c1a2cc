/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Reads lists of percentiles.
 *
 * How: a title is what was written, so that a table shows what was asked for.
 *
 * Invariants: no percentile is there twice.
 * Threads: none. Failures: ERR_BAD_ARGUMENT and a sentence.
 */
#include "client/loadgen/percentiles.h"

#include "common/err.h"
#include "common/num.h"

#include <stdio.h>
#include <string.h>

static int percentiles_wrong(const char *why, char *out_detail)
{
    (void)snprintf(out_detail, OPTIONS_DETAIL_SIZE, "--print-percentiles: %s", why);
    return ERR_BAD_ARGUMENT;
}

static const char *percentiles_add(struct percentiles *list, const char *text, size_t size)
{
    struct percentile *row = &list->row[list->n];
    long double value;
    if (list->n == PERCENTILES_MAX)
        return "at most 12 of them";
    if (size + sizeof "p" > sizeof row->title ||
        !num_read_real((struct bytes){(const uint8_t *)text, size}, &value) || !(value > 0) ||
        value > 100)
        return "write numbers above 0, up to 100, with commas between them, as 50,99,99.9";
    row->quantile = (double)(value / 100); /* of 99.9: that nearest to 0.999 */
    (void)snprintf(row->title, sizeof row->title, "p%.*s", (int)size, text);
    for (unsigned i = 0; i < list->n; i++)
        if (list->row[i].quantile == row->quantile)
            return "one of them is there twice";
    list->n++;
    return NULL;
}

int percentiles_parse(const char *text, struct percentiles *out,
                      char out_detail[static OPTIONS_DETAIL_SIZE])
{
    struct percentiles list = {.n = 0};
    const char *wrong = NULL;
    size_t size = 0;
    for (const char *at = text; wrong == NULL; at += size + 1) {
        size = strcspn(at, ",");
        wrong = percentiles_add(&list, at, size);
        if (at[size] == 0)
            break;
    }
    if (wrong != NULL)
        return percentiles_wrong(wrong, out_detail);
    *out = list;
    return 0;
}

bool percentiles_is_one_of(const struct percentile *percentile, const char *const *titles, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(percentile->title, titles[i]) == 0)
            return true;
    return false;
}
