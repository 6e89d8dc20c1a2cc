/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Log-linear histogram.
 *
 *   value        bucket
 *   0..255       itself                         (two octaves at width 1)
 *   256..511     128 buckets of width 2
 *   512..1023    128 buckets of width 4  ...
 *
 * Counts are read by other threads while the owner adds (statistics); they are therefore stored and
 * loaded as relaxed atomics, which cost nothing on the owner's side. A reader may miss the newest.
 *
 * Threads: one writer; any reader through hist_merge.
 */
#include "common/hist.h"

#include "common/check.h"

#include <string.h>

static unsigned hist_index(uint64_t value)
{
    if (value < (2u << HIST_SUB_BITS))
        return (unsigned)value;
    unsigned log = 63u - (unsigned)__builtin_clzll(value);
    unsigned shift = log - HIST_SUB_BITS;
    unsigned index = (shift << HIST_SUB_BITS) + (unsigned)(value >> shift);
    return index < HIST_BUCKETS ? index : HIST_BUCKETS - 1;
}

uint64_t hist_bucket_top(unsigned index)
{
    if (index < (2u << HIST_SUB_BITS))
        return index;
    unsigned shift = (index >> HIST_SUB_BITS) - 1;
    uint64_t base = (uint64_t)(index - (shift << HIST_SUB_BITS)) << shift;
    return base + ((uint64_t)1 << shift) - 1;
}

static void hist_store(uint64_t *field, uint64_t value)
{
    __atomic_store_n(field, value, __ATOMIC_RELAXED);
}

static uint64_t hist_load(const uint64_t *field)
{
    return __atomic_load_n(field, __ATOMIC_RELAXED);
}

void hist_init(struct hist *hist)
{
    memset(hist, 0, sizeof *hist);
    hist->min = UINT64_MAX;
}

void hist_add_n(struct hist *hist, uint64_t value, uint64_t n)
{
    uint64_t *bucket = &hist->bucket[hist_index(value)];
    hist_store(bucket, *bucket + n);
    hist_store(&hist->count, hist->count + n);
    hist_store(&hist->sum, hist->sum + value * n);
    if (value < hist->min)
        hist_store(&hist->min, value);
    if (value > hist->max)
        hist_store(&hist->max, value);
}

void hist_add(struct hist *hist, uint64_t value)
{
    hist_add_n(hist, value, 1);
}

void hist_merge(struct hist *into, const struct hist *from)
{
    uint64_t count = 0;
    for (unsigned i = 0; i < HIST_BUCKETS; i++) {
        uint64_t n = hist_load(&from->bucket[i]);
        into->bucket[i] += n;
        count += n;
    }
    uint64_t min = hist_load(&from->min), max = hist_load(&from->max);
    into->count += count;
    into->sum += hist_load(&from->sum);
    into->min = min < into->min ? min : into->min;
    into->max = max > into->max ? max : into->max;
}

uint64_t hist_quantile(const struct hist *hist, double q)
{
    if (hist->count == 0)
        return 0;
    double wanted = q * (double)hist->count;
    uint64_t rank = (uint64_t)wanted + ((double)(uint64_t)wanted < wanted ? 1 : 0);
    uint64_t seen = 0;
    rank = rank < 1 ? 1 : rank > hist->count ? hist->count : rank;
    for (unsigned i = 0; i < HIST_BUCKETS; i++) {
        seen += hist->bucket[i];
        if (seen >= rank) {
            uint64_t top = hist_bucket_top(i);
            return i == HIST_BUCKETS - 1 || top > hist->max ? hist->max : top;
        }
    }
    return hist->max;
}

double hist_mean(const struct hist *hist)
{
    return hist->count == 0 ? 0 : (double)hist->sum / (double)hist->count;
}
