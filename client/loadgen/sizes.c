/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Reads and draws sizes.
 *
 * How: Pareto's distribution is inverted; a normal deviate comes from the two halves of the random
 * number (G. Box, M. Muller, 1958).
 *
 * Invariants: what is drawn lies from min to max, whatever rounding does.
 * Threads: any; a struct sizes is read only once made. Failures: ERR_BAD_ARGUMENT.
 */
#include "client/loadgen/sizes.h"

#include "common/err.h"
#include "common/num.h"
#include "common/wide.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* One normal deviate of a million lies above. */
#define SIZES_DEVIATIONS 4.75

static const char *const sizes_names[] = {
    [SIZES_NORMAL] = "normal:",
    [SIZES_LOGNORMAL] = "lognormal:",
    [SIZES_PARETO] = "pareto:",
};

/* ---- reading ---- */

/* A part of a text as a text of its own. */
static bool sizes_cut(const char *text, size_t size, char out[static NUM_TEXT_SIZE])
{
    if (size >= NUM_TEXT_SIZE)
        return false;
    memcpy(out, text, size);
    out[size] = 0;
    return true;
}

static bool sizes_bytes(const char *text, size_t size, int64_t *out)
{
    char part[NUM_TEXT_SIZE];
    return sizes_cut(text, size, part) && num_parse_bytes(part, out) == 0;
}

/* One size, or from and to with one of `marks` between them. */
static bool sizes_read_range(const char *text, const char *marks, struct sizes *out)
{
    size_t dash = strcspn(text, marks);
    if (!sizes_bytes(text, dash, &out->min))
        return false;
    out->max = out->min;
    return text[dash] == 0 || sizes_bytes(text + dash + 1, strlen(text + dash + 1), &out->max);
}

static bool sizes_read_list(const char *text, struct sizes *out)
{
    uint64_t total = 0;
    out->kind = SIZES_LIST;
    out->min = INT64_MAX;
    for (bool more = true; more; text++) {
        char weight_text[NUM_TEXT_SIZE];
        int64_t size, weight;
        size_t colon = strcspn(text, ":"), whole = strcspn(text, ",");
        if (out->n == SIZES_LIST_MAX || colon >= whole || !sizes_bytes(text, colon, &size) ||
            !sizes_cut(text + colon + 1, whole - colon - 1, weight_text) ||
            num_parse_int(weight_text, &weight) != 0 || weight < 1 || weight > INT32_MAX)
            return false;
        total += (uint64_t)weight;
        out->list[out->n].size = size;
        out->list[out->n++].weight = total;
        out->min = size < out->min ? size : out->min;
        out->max = size > out->max ? size : out->max;
        text += whole;
        more = *text == ',';
    }
    return out->n > 1; /* who writes 64:4096 means something else */
}

/* The size that one value of a million exceeds. */
static double sizes_top(const struct sizes *sizes)
{
    if (sizes->kind == SIZES_NORMAL)
        return sizes->a + SIZES_DEVIATIONS * sizes->b;
    if (sizes->kind == SIZES_LOGNORMAL)
        return sizes->a * exp(SIZES_DEVIATIONS * sizes->b);
    return 1 + sizes->a / sizes->b * (pow(1e6, sizes->b) - 1);
}

static bool sizes_read_two(const char *text, struct sizes *out)
{
    long double a, b;
    size_t comma = strcspn(text, ",");
    if (text[comma] != ',' || !num_read_real((struct bytes){(const uint8_t *)text, comma}, &a) ||
        !num_read_real(bytes_of(text + comma + 1), &b) || !(a > 0 && a < 1e12L) ||
        !(b > 0 && b < 1e12L))
        return false;
    out->a = (double)a;
    out->b = (double)b;
    double top = sizes_top(out);
    out->min = 1;
    out->max = top < 1e15 ? (int64_t)top + 1 : INT64_MAX;
    return true;
}

static bool sizes_read(const char *text, struct sizes *out)
{
    for (unsigned i = SIZES_NORMAL; i <= SIZES_PARETO; i++)
        if (strncmp(text, sizes_names[i], strlen(sizes_names[i])) == 0) {
            out->kind = (enum sizes_kind)i;
            return sizes_read_two(text + strlen(sizes_names[i]), out);
        }
    return strchr(text, ':') != NULL ? sizes_read_list(text, out)
                                     : sizes_read_range(text, "-", out);
}

/* Well-known sizes: a cache (B. Atikoglu and others, 2012), small records, sessions of web
 * applications, vectors of 1,536 floats. */
static const struct {
    const char *name, *text;
} sizes_presets[] = {
    {"etc", "pareto:214,0.348"},
    {"small", "8-64"},
    {"session", "lognormal:1024,0.7"},
    {"embedding", "6144"},
};

static const char *sizes_preset(const char *text)
{
    for (size_t i = 0; i < LENGTH_OF(sizes_presets); i++)
        if (strcmp(text, sizes_presets[i].name) == 0)
            return sizes_presets[i].text;
    return text;
}

int sizes_parse(const char *text, int64_t min, int64_t max, struct sizes *out)
{
    struct sizes sizes = {.kind = SIZES_UNIFORM};
    if (!sizes_read(sizes_preset(text), &sizes) || sizes.min < min || sizes.max < sizes.min ||
        sizes.max > max)
        return ERR_BAD_ARGUMENT;
    *out = sizes;
    return 0;
}

int sizes_parse_span(const char *text, int64_t min, int64_t max, struct sizes *out)
{
    struct sizes sizes = {.kind = SIZES_UNIFORM};
    if (!sizes_read_range(text, "-:", &sizes) || sizes.min < min || sizes.max < sizes.min ||
        sizes.max > max)
        return ERR_BAD_ARGUMENT;
    *out = sizes;
    return 0;
}

/* ---- writing ---- */

static void sizes_format_list(const struct sizes *sizes, char *out_text)
{
    size_t used = 0;
    for (unsigned i = 0; i < sizes->n && used < SIZES_TEXT_SIZE; i++) {
        uint64_t before = i > 0 ? sizes->list[i - 1].weight : 0;
        int n = snprintf(out_text + used, SIZES_TEXT_SIZE - used, "%s%" PRId64 ":%" PRIu64,
                         i > 0 ? "," : "", sizes->list[i].size, sizes->list[i].weight - before);
        used += n > 0 ? (size_t)n : 0;
    }
}

void sizes_format(const struct sizes *sizes, char out_text[static SIZES_TEXT_SIZE])
{
    out_text[0] = 0;
    if (sizes->kind == SIZES_LIST)
        sizes_format_list(sizes, out_text);
    else if (sizes->kind != SIZES_UNIFORM)
        (void)snprintf(out_text, SIZES_TEXT_SIZE, "%s%g,%g", sizes_names[sizes->kind], sizes->a,
                       sizes->b);
    else if (sizes->min != sizes->max)
        (void)snprintf(out_text, SIZES_TEXT_SIZE, "%" PRId64 "-%" PRId64, sizes->min, sizes->max);
    else
        (void)snprintf(out_text, SIZES_TEXT_SIZE, "%" PRId64, sizes->min);
}

/* ---- drawing ---- */

/* Above 0 and below 1, from 32 bits. */
static double sizes_unit(uint64_t bits)
{
    return ((double)(bits & UINT32_MAX) + 0.5) * 0x1p-32;
}

static double sizes_deviate(uint64_t random)
{
    const double whole_turn = 6.283185307179586;
    return sqrt(-2 * log(sizes_unit(random >> 32))) * cos(whole_turn * sizes_unit(random));
}

static size_t sizes_draw_listed(const struct sizes *sizes, uint64_t random)
{
    uint64_t at = wide_mul_shift(random, sizes->list[sizes->n - 1].weight, 64);
    unsigned i = 0;
    while (at >= sizes->list[i].weight)
        i++;
    return (size_t)sizes->list[i].size;
}

static double sizes_draw_real(const struct sizes *sizes, uint64_t random)
{
    if (sizes->kind == SIZES_NORMAL)
        return sizes->a + sizes->b * sizes_deviate(random);
    if (sizes->kind == SIZES_LOGNORMAL)
        return sizes->a * exp(sizes->b * sizes_deviate(random));
    double left = ((double)(random >> 11) + 0.5) * 0x1p-53;
    return 1 + sizes->a / sizes->b * (pow(left, -sizes->b) - 1);
}

size_t sizes_draw(const struct sizes *sizes, uint64_t random)
{
    if (sizes->kind == SIZES_UNIFORM)
        return (size_t)sizes->min +
               (size_t)wide_mul_shift(random, (uint64_t)(sizes->max - sizes->min) + 1, 64);
    if (sizes->kind == SIZES_LIST)
        return sizes_draw_listed(sizes, random);
    double size = round(sizes_draw_real(sizes, random));
    return size < (double)sizes->min   ? (size_t)sizes->min
           : size > (double)sizes->max ? (size_t)sizes->max
                                       : (size_t)size;
}

double sizes_mean(const struct sizes *sizes)
{
    double sum = 0, before = 0;
    switch (sizes->kind) {
    case SIZES_NORMAL:
        return sizes->a;
    case SIZES_LOGNORMAL:
        return sizes->a * exp(sizes->b * sizes->b / 2);
    case SIZES_PARETO:
        return sizes->b < 1 ? 1 + sizes->a / (1 - sizes->b) : (double)sizes->max / 2;
    case SIZES_LIST:
        for (unsigned i = 0; i < sizes->n; i++) {
            sum += (double)sizes->list[i].size * ((double)sizes->list[i].weight - before);
            before = (double)sizes->list[i].weight;
        }
        return sum / before;
    case SIZES_UNIFORM:
        break;
    }
    return ((double)sizes->min + (double)sizes->max) / 2;
}
