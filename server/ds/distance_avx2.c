/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Kernels of AVX2 with FMA: four sums of 8 floats, tails by masked loads, which touch no byte
 * behind the end. Products of bytes as 16-bit numbers.
 */
#include "server/ds/distance_sets.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define AVX2 __attribute__((target("avx2,fma")))

enum { AVX2_FLOATS = 8, AVX2_SHORTS = 16 };

/* The first n of 8. */
AVX2 static inline __m256i avx2_first(size_t n)
{
    const __m256i numbers = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), numbers);
}

AVX2 static inline float avx2_sum(__m256 a, __m256 b, __m256 c, __m256 d)
{
    __m256 eight = _mm256_add_ps(_mm256_add_ps(a, b), _mm256_add_ps(c, d));
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

AVX2 static inline __m256 avx2_dot_step(const float *a, const float *b, __m256 sum)
{
    return _mm256_fmadd_ps(_mm256_loadu_ps(a), _mm256_loadu_ps(b), sum);
}

AVX2 static float avx2_dot(const float *a, const float *b, size_t n)
{
    __m256 s0 = _mm256_setzero_ps(), s1 = s0, s2 = s0, s3 = s0;
    size_t i = 0;
    for (; n - i >= 4 * AVX2_FLOATS; i += 4 * AVX2_FLOATS) {
        s0 = avx2_dot_step(a + i, b + i, s0);
        s1 = avx2_dot_step(a + i + AVX2_FLOATS, b + i + AVX2_FLOATS, s1);
        s2 = avx2_dot_step(a + i + 2 * AVX2_FLOATS, b + i + 2 * AVX2_FLOATS, s2);
        s3 = avx2_dot_step(a + i + 3 * AVX2_FLOATS, b + i + 3 * AVX2_FLOATS, s3);
    }
    for (; n - i >= AVX2_FLOATS; i += AVX2_FLOATS)
        s0 = avx2_dot_step(a + i, b + i, s0);
    if (n > i) {
        __m256i mask = avx2_first(n - i);
        s1 = _mm256_fmadd_ps(_mm256_maskload_ps(a + i, mask), _mm256_maskload_ps(b + i, mask), s1);
    }
    return avx2_sum(s0, s1, s2, s3);
}

AVX2 static inline __m256 avx2_l2_step(const float *a, const float *b, __m256 sum)
{
    __m256 difference = _mm256_sub_ps(_mm256_loadu_ps(a), _mm256_loadu_ps(b));
    return _mm256_fmadd_ps(difference, difference, sum);
}

AVX2 static float avx2_l2(const float *a, const float *b, size_t n)
{
    __m256 s0 = _mm256_setzero_ps(), s1 = s0, s2 = s0, s3 = s0;
    size_t i = 0;
    for (; n - i >= 4 * AVX2_FLOATS; i += 4 * AVX2_FLOATS) {
        s0 = avx2_l2_step(a + i, b + i, s0);
        s1 = avx2_l2_step(a + i + AVX2_FLOATS, b + i + AVX2_FLOATS, s1);
        s2 = avx2_l2_step(a + i + 2 * AVX2_FLOATS, b + i + 2 * AVX2_FLOATS, s2);
        s3 = avx2_l2_step(a + i + 3 * AVX2_FLOATS, b + i + 3 * AVX2_FLOATS, s3);
    }
    for (; n - i >= AVX2_FLOATS; i += AVX2_FLOATS)
        s0 = avx2_l2_step(a + i, b + i, s0);
    if (n > i) {
        __m256i mask = avx2_first(n - i);
        __m256 difference =
            _mm256_sub_ps(_mm256_maskload_ps(a + i, mask), _mm256_maskload_ps(b + i, mask));
        s1 = _mm256_fmadd_ps(difference, difference, s1);
    }
    return avx2_sum(s0, s1, s2, s3);
}

/* 16 bytes of each. */
AVX2 static inline __m256i avx2_dot_shorts(const int8_t *a, const int8_t *b, __m256i sum)
{
    __m256i left = _mm256_cvtepi8_epi16(_mm_loadu_si128((const void *)a));
    __m256i right = _mm256_cvtepi8_epi16(_mm_loadu_si128((const void *)b));
    return _mm256_add_epi32(sum, _mm256_madd_epi16(left, right));
}

AVX2 static int32_t avx2_dot_int8(const int8_t *a, const int8_t *b, size_t n)
{
    __m256i s0 = _mm256_setzero_si256(), s1 = s0;
    size_t i = 0;
    for (; n - i >= 2 * AVX2_SHORTS; i += 2 * AVX2_SHORTS) {
        s0 = avx2_dot_shorts(a + i, b + i, s0);
        s1 = avx2_dot_shorts(a + i + AVX2_SHORTS, b + i + AVX2_SHORTS, s1);
    }
    if (n - i >= AVX2_SHORTS) {
        s0 = avx2_dot_shorts(a + i, b + i, s0);
        i += AVX2_SHORTS;
    }
    s0 = _mm256_add_epi32(s0, s1);
    __m128i four = _mm_add_epi32(_mm256_castsi256_si128(s0), _mm256_extracti128_si256(s0, 1));
    __m128i two = _mm_add_epi32(four, _mm_unpackhi_epi64(four, four));
    int32_t sum = _mm_cvtsi128_si32(two) + _mm_extract_epi32(two, 1);
    for (; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

const struct kernels *kernels_avx2(void)
{
    static const struct kernels kernels = {"avx2", avx2_dot, avx2_l2, avx2_dot_int8};
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? &kernels : NULL;
}

#else

const struct kernels *kernels_avx2(void)
{
    return NULL;
}

#endif
