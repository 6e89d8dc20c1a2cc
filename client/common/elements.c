/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Elements of vectors: see elements.h.
 *
 * Invariants: no more than ELEMENTS_MAX floats are held, all of them finite.
 * Threads: one. Failures: no memory; what is wrong, told without its place, which the caller knows.
 */
#include "client/common/elements.h"

#include <endian.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

_Static_assert(__BYTE_ORDER == __LITTLE_ENDIAN, "floats are taken as they are in the file");

void elements_init(struct elements *elements)
{
    elements->dim = 0;
    buf_init(&elements->row);
}

void elements_deinit(struct elements *elements)
{
    buf_deinit(&elements->row);
}

int elements_begin(struct elements *elements, uint64_t dim, struct usage *usage)
{
    if (dim == 0 || dim > ELEMENTS_MAX)
        return usage_set(usage, "a vector of %" PRIu64 " elements; 1 to %d are possible", dim,
                         ELEMENTS_MAX);
    if (elements->dim != 0 && dim != elements->dim)
        return usage_set(usage, "a vector of %" PRIu64 " elements; those before it have %u", dim,
                         elements->dim);
    elements->dim = (unsigned)dim;
    elements->row.size = 0;
    return buf_reserve(&elements->row, dim * sizeof(float));
}

int elements_add(struct elements *elements, double number, struct usage *usage)
{
    float element = (float)number;
    REQUIRE(elements->row.size < elements->dim * sizeof element);
    if (!isfinite(element))
        return usage_set(usage, "element %zu is %s as a 32-bit float; those of a vector are finite",
                         elements->row.size / sizeof element,
                         isnan(element) ? "no number" : "infinite");
    memcpy(elements->row.data + elements->row.size, &element, sizeof element);
    elements->row.size += sizeof element;
    return 0;
}

/* A float of 16 bits: sign, 5 bits of exponent, 10 of fraction. */
static double elements_half(uint16_t bits)
{
    int exponent = bits >> 10 & 0x1f;
    double fraction = bits & 0x3ff;
    double size = exponent == 0      ? ldexp(fraction, -24)
                  : exponent == 0x1f ? (fraction == 0.0 ? (double)INFINITY : (double)NAN)
                                     : ldexp(fraction + 1024.0, exponent - 25);
    return (bits & 0x8000) != 0 ? -size : size;
}

/* A little-endian float of so many bytes. */
static double elements_float(const uint8_t *at, size_t size)
{
    uint16_t half;
    double wide;
    float narrow;
    if (size == sizeof half) {
        memcpy(&half, at, sizeof half);
        return elements_half(half);
    }
    if (size == sizeof wide) {
        memcpy(&wide, at, sizeof wide);
        return wide;
    }
    memcpy(&narrow, at, sizeof narrow);
    return (double)narrow;
}

int elements_take(struct elements *elements, const uint8_t *at, size_t float_size,
                  struct usage *usage)
{
    int err = 0;
    for (unsigned i = 0; i < elements->dim && err == 0; i++)
        err = elements_add(elements, elements_float(at + i * float_size, float_size), usage);
    return err;
}
