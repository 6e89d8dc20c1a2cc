/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Kernels of AVX-512: four sums of 16 floats, tails by masked loads, which touch no byte behind the
 * end. Products of bytes by VNNI where there, else as 16-bit numbers.
 */
#include "server/ds/distance_sets.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq")))
#define VNNI   __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")))

enum { AVX512_FLOATS = 16, AVX512_BYTES = 64, AVX512_SHORTS = 32 };

/* The first n of 16. */
AVX512 static inline __mmask16 avx512_first(size_t n)
{
    return (__mmask16)((1u << n) - 1);
}

AVX512 static inline float avx512_sum(__m512 a, __m512 b, __m512 c, __m512 d)
{
    return _mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(a, b), _mm512_add_ps(c, d)));
}

AVX512 static inline __m512 avx512_dot_step(const float *a, const float *b, __m512 sum)
{
    return _mm512_fmadd_ps(_mm512_loadu_ps(a), _mm512_loadu_ps(b), sum);
}

AVX512 static float avx512_dot(const float *a, const float *b, size_t n)
{
    __m512 s0 = _mm512_setzero_ps(), s1 = s0, s2 = s0, s3 = s0;
    size_t i = 0;
    for (; n - i >= 4 * AVX512_FLOATS; i += 4 * AVX512_FLOATS) {
        s0 = avx512_dot_step(a + i, b + i, s0);
        s1 = avx512_dot_step(a + i + AVX512_FLOATS, b + i + AVX512_FLOATS, s1);
        s2 = avx512_dot_step(a + i + 2 * AVX512_FLOATS, b + i + 2 * AVX512_FLOATS, s2);
        s3 = avx512_dot_step(a + i + 3 * AVX512_FLOATS, b + i + 3 * AVX512_FLOATS, s3);
    }
    for (; n - i >= AVX512_FLOATS; i += AVX512_FLOATS)
        s0 = avx512_dot_step(a + i, b + i, s0);
    if (n > i) {
        __mmask16 mask = avx512_first(n - i);
        s1 = _mm512_fmadd_ps(_mm512_maskz_loadu_ps(mask, a + i), _mm512_maskz_loadu_ps(mask, b + i),
                             s1);
    }
    return avx512_sum(s0, s1, s2, s3);
}

AVX512 static inline __m512 avx512_l2_step(const float *a, const float *b, __m512 sum)
{
    __m512 difference = _mm512_sub_ps(_mm512_loadu_ps(a), _mm512_loadu_ps(b));
    return _mm512_fmadd_ps(difference, difference, sum);
}

AVX512 static float avx512_l2(const float *a, const float *b, size_t n)
{
    __m512 s0 = _mm512_setzero_ps(), s1 = s0, s2 = s0, s3 = s0;
    size_t i = 0;
    for (; n - i >= 4 * AVX512_FLOATS; i += 4 * AVX512_FLOATS) {
        s0 = avx512_l2_step(a + i, b + i, s0);
        s1 = avx512_l2_step(a + i + AVX512_FLOATS, b + i + AVX512_FLOATS, s1);
        s2 = avx512_l2_step(a + i + 2 * AVX512_FLOATS, b + i + 2 * AVX512_FLOATS, s2);
        s3 = avx512_l2_step(a + i + 3 * AVX512_FLOATS, b + i + 3 * AVX512_FLOATS, s3);
    }
    for (; n - i >= AVX512_FLOATS; i += AVX512_FLOATS)
        s0 = avx512_l2_step(a + i, b + i, s0);
    if (n > i) {
        __mmask16 mask = avx512_first(n - i);
        __m512 difference =
            _mm512_sub_ps(_mm512_maskz_loadu_ps(mask, a + i), _mm512_maskz_loadu_ps(mask, b + i));
        s1 = _mm512_fmadd_ps(difference, difference, s1);
    }
    return avx512_sum(s0, s1, s2, s3);
}

/* 32 bytes of each. */
AVX512 static inline __m512i avx512_dot_shorts(__m256i a, __m256i b, __m512i sum)
{
    return _mm512_add_epi32(sum,
                            _mm512_madd_epi16(_mm512_cvtepi8_epi16(a), _mm512_cvtepi8_epi16(b)));
}

AVX512 static int32_t avx512_dot_int8(const int8_t *a, const int8_t *b, size_t n)
{
    __m512i s0 = _mm512_setzero_si512(), s1 = s0;
    size_t i = 0;
    for (; n - i >= 2 * AVX512_SHORTS; i += 2 * AVX512_SHORTS) {
        s0 = avx512_dot_shorts(_mm256_loadu_si256((const void *)(a + i)),
                               _mm256_loadu_si256((const void *)(b + i)), s0);
        s1 = avx512_dot_shorts(_mm256_loadu_si256((const void *)(a + i + AVX512_SHORTS)),
                               _mm256_loadu_si256((const void *)(b + i + AVX512_SHORTS)), s1);
    }
    if (n - i >= AVX512_SHORTS) {
        s0 = avx512_dot_shorts(_mm256_loadu_si256((const void *)(a + i)),
                               _mm256_loadu_si256((const void *)(b + i)), s0);
        i += AVX512_SHORTS;
    }
    if (n > i) {
        __mmask32 mask = (1u << (n - i)) - 1;
        s1 = avx512_dot_shorts(_mm256_maskz_loadu_epi8(mask, a + i),
                               _mm256_maskz_loadu_epi8(mask, b + i), s1);
    }
    return _mm512_reduce_add_epi32(_mm512_add_epi32(s0, s1));
}

/* The instruction takes one side unsigned: a + 128, and 128 times the sum of b goes off again.
 * Masked bytes of b are 0, whatever a is there. */
VNNI static int32_t vnni_dot_int8(const int8_t *a, const int8_t *b, size_t n)
{
    const __m512i shift = _mm512_set1_epi8(-128);
    __m512i sum = _mm512_setzero_si512(), off = sum;
    size_t i = 0;
    for (; n - i >= AVX512_BYTES; i += AVX512_BYTES) {
        __m512i right = _mm512_loadu_si512(b + i);
        sum = _mm512_dpbusd_epi32(sum, _mm512_xor_si512(_mm512_loadu_si512(a + i), shift), right);
        off = _mm512_dpbusd_epi32(off, shift, right);
    }
    if (n > i) {
        __mmask64 mask = (UINT64_C(1) << (n - i)) - 1;
        __m512i right = _mm512_maskz_loadu_epi8(mask, b + i);
        __m512i left = _mm512_maskz_loadu_epi8(mask, a + i);
        sum = _mm512_dpbusd_epi32(sum, _mm512_xor_si512(left, shift), right);
        off = _mm512_dpbusd_epi32(off, shift, right);
    }
    return _mm512_reduce_add_epi32(_mm512_sub_epi32(sum, off));
}

const struct kernels *kernels_avx512(void)
{
    static const struct kernels plain = {"avx512", avx512_dot, avx512_l2, avx512_dot_int8};
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                   __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq")
               ? &plain
               : NULL;
}

const struct kernels *kernels_avx512_vnni(void)
{
    static const struct kernels vnni = {"avx512-vnni", avx512_dot, avx512_l2, vnni_dot_int8};
    return kernels_avx512() != NULL && __builtin_cpu_supports("avx512vnni") ? &vnni : NULL;
}

#else

const struct kernels *kernels_avx512(void)
{
    return NULL;
}

const struct kernels *kernels_avx512_vnni(void)
{
    return NULL;
}

#endif
