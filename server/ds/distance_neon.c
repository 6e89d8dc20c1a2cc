/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Kernels of NEON, which every aarch64 processor has: four sums of 4 floats, tails one by one.
 * Products of bytes by the dot product instructions where there (armv8.2), else as 16-bit numbers.
 */
#include "server/ds/distance_sets.h"

#if defined(__aarch64__)

#include <arm_neon.h>
#include <string.h>
#include <sys/auxv.h>

#define DOTPROD __attribute__((target("arch=armv8.2-a+dotprod")))

enum { NEON_FLOATS = 4, NEON_BYTES = 16, NEON_HAS_DOTPROD = 1 << 20 /* HWCAP_ASIMDDP */ };

/* Elements stand at any address. */
static inline float32x4_t neon_load(const float *elements)
{
    return vreinterpretq_f32_u8(vld1q_u8((const uint8_t *)elements));
}

static inline float neon_at(const float *elements, size_t i)
{
    float element;
    memcpy(&element, (const char *)elements + i * sizeof element, sizeof element);
    return element;
}

static inline float neon_sum(const float32x4_t sums[4])
{
    return vaddvq_f32(vaddq_f32(vaddq_f32(sums[0], sums[1]), vaddq_f32(sums[2], sums[3])));
}

static float neon_dot(const float *a, const float *b, size_t n)
{
    float32x4_t sums[4] = {vdupq_n_f32(0), vdupq_n_f32(0), vdupq_n_f32(0), vdupq_n_f32(0)};
    size_t i = 0;
    for (; n - i >= 4 * NEON_FLOATS; i += 4 * NEON_FLOATS)
        for (size_t s = 0; s < 4; s++)
            sums[s] = vfmaq_f32(sums[s], neon_load(a + i + s * NEON_FLOATS),
                                neon_load(b + i + s * NEON_FLOATS));
    for (; n - i >= NEON_FLOATS; i += NEON_FLOATS)
        sums[0] = vfmaq_f32(sums[0], neon_load(a + i), neon_load(b + i));
    float sum = neon_sum(sums);
    for (; i < n; i++)
        sum += neon_at(a, i) * neon_at(b, i);
    return sum;
}

static inline float32x4_t neon_l2_step(const float *a, const float *b, float32x4_t sum)
{
    float32x4_t difference = vsubq_f32(neon_load(a), neon_load(b));
    return vfmaq_f32(sum, difference, difference);
}

static float neon_l2(const float *a, const float *b, size_t n)
{
    float32x4_t sums[4] = {vdupq_n_f32(0), vdupq_n_f32(0), vdupq_n_f32(0), vdupq_n_f32(0)};
    size_t i = 0;
    for (; n - i >= 4 * NEON_FLOATS; i += 4 * NEON_FLOATS)
        for (size_t s = 0; s < 4; s++)
            sums[s] = neon_l2_step(a + i + s * NEON_FLOATS, b + i + s * NEON_FLOATS, sums[s]);
    for (; n - i >= NEON_FLOATS; i += NEON_FLOATS)
        sums[0] = neon_l2_step(a + i, b + i, sums[0]);
    float sum = neon_sum(sums);
    for (; i < n; i++)
        sum += (neon_at(a, i) - neon_at(b, i)) * (neon_at(a, i) - neon_at(b, i));
    return sum;
}

static int32_t neon_dot_int8(const int8_t *a, const int8_t *b, size_t n)
{
    int32x4_t sum4 = vdupq_n_s32(0);
    size_t i = 0;
    for (; n - i >= NEON_BYTES; i += NEON_BYTES) {
        int8x16_t left = vld1q_s8(a + i), right = vld1q_s8(b + i);
        sum4 = vpadalq_s16(sum4, vmull_s8(vget_low_s8(left), vget_low_s8(right)));
        sum4 = vpadalq_s16(sum4, vmull_high_s8(left, right));
    }
    int32_t sum = vaddvq_s32(sum4);
    for (; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

DOTPROD static int32_t dotprod_dot_int8(const int8_t *a, const int8_t *b, size_t n)
{
    int32x4_t s0 = vdupq_n_s32(0), s1 = s0;
    size_t i = 0;
    for (; n - i >= 2 * NEON_BYTES; i += 2 * NEON_BYTES) {
        s0 = vdotq_s32(s0, vld1q_s8(a + i), vld1q_s8(b + i));
        s1 = vdotq_s32(s1, vld1q_s8(a + i + NEON_BYTES), vld1q_s8(b + i + NEON_BYTES));
    }
    if (n - i >= NEON_BYTES) {
        s0 = vdotq_s32(s0, vld1q_s8(a + i), vld1q_s8(b + i));
        i += NEON_BYTES;
    }
    int32_t sum = vaddvq_s32(vaddq_s32(s0, s1));
    for (; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

const struct kernels *kernels_neon(void)
{
    static const struct kernels kernels = {"neon", neon_dot, neon_l2, neon_dot_int8};
    return &kernels;
}

const struct kernels *kernels_neon_dotprod(void)
{
    static const struct kernels kernels = {"neon-dotprod", neon_dot, neon_l2, dotprod_dot_int8};
    return (getauxval(AT_HWCAP) & NEON_HAS_DOTPROD) != 0 ? &kernels : NULL;
}

#else

const struct kernels *kernels_neon(void)
{
    return NULL;
}

const struct kernels *kernels_neon_dotprod(void)
{
    return NULL;
}

#endif
