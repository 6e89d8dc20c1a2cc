/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Values of collections and vectors: byte by byte, there and back, cut at every length and damaged
 * at every byte; which elements are refused, and why.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "server/store/vec_value.h"

#include "common/mem.h"
#include "server/ds/hnsw.h"
#include "server/store/group.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

static const struct vec_collection sample = {
    .number = 0x0102030405060708,
    .generation = 0x1112131415161718,
    .config = {.dim = 8192,
               .metric = METRIC_DOT,
               .index = VEC_HNSW,
               .quantization = VEC_INT8,
               .m = 128,
               .ef_construction = 2000},
    .created_at_ms = 1234567890123,
};

/* A copy in a block of its size, so that the address sanitizer sees what reads behind it. */
static struct bytes exact(const void *data, size_t size)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);
    assert_non_null(copy);
    if (size > 0)
        memcpy(copy, data, size);
    return (struct bytes){copy, size};
}

static void release(struct bytes bytes)
{
    free((void *)(uintptr_t)bytes.data);
}

/* ---- collections ---- */

static void collection_bytes(void **state)
{
    (void)state;
    static const uint8_t wanted[] = {
        0x94, 0xcf, 1,    2,    3,    4,    5,    6, 7,    8,    0xcf, 0x11, 0x12,
        0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0xc4, 9, 0,    32,   128,  0,    0xd0,
        7,    2,    1,    1,    0xcf, 0,    0,    1, 0x1f, 0x71, 0xfb, 0x04, 0xcb,
    };
    uint8_t out[VEC_COLLECTION_BYTES_MAX];
    assert_int_equal(vec_write_collection(&sample, out), sizeof wanted);
    assert_memory_equal(out, wanted, sizeof wanted);
    assert_true(record_number_of((struct bytes){out, sizeof wanted}) == sample.number);
    assert_true(group_generation((struct bytes){out, sizeof wanted}) == sample.generation);
}

static void assert_same(const struct vec_collection *a, const struct vec_collection *b)
{
    assert_true(a->number == b->number && a->generation == b->generation);
    assert_true(a->created_at_ms == b->created_at_ms);
    assert_true(a->config.dim == b->config.dim && a->config.metric == b->config.metric);
    assert_true(a->config.index == b->config.index &&
                a->config.quantization == b->config.quantization);
    assert_true(a->config.m == b->config.m &&
                a->config.ef_construction == b->config.ef_construction);
}

static void collection_there_and_back(void **state)
{
    (void)state;
    uint8_t out[VEC_COLLECTION_BYTES_MAX];
    for (unsigned metric = 0; metric < METRIC_COUNT; metric++)
        for (unsigned index = 0; index < VEC_INDEX_COUNT; index++)
            for (unsigned quantization = 0; quantization < VEC_QUANTIZATION_COUNT; quantization++) {
                struct vec_collection one = sample, back;
                one.config =
                    (struct vec_config){.dim = 1 + metric,
                                        .metric = (enum metric)metric,
                                        .index = (enum vec_index)index,
                                        .quantization = (enum vec_quantization)quantization,
                                        .m = HNSW_M_MIN,
                                        .ef_construction = VEC_EF_CONSTRUCTION_MIN};
                size_t size = vec_write_collection(&one, out);
                struct bytes value = exact(out, size);
                assert_true(vec_read_collection(value, &back));
                assert_same(&one, &back);
                release(value);
            }
}

/* Cut anywhere, or with a byte more, it is none; with any byte changed none, or a valid one. */
static void collection_damaged(void **state)
{
    (void)state;
    uint8_t out[VEC_COLLECTION_BYTES_MAX + 1] = {0};
    struct vec_collection back;
    size_t size = vec_write_collection(&sample, out);
    for (size_t cut = 0; cut < size; cut++) {
        struct bytes value = exact(out, cut);
        assert_false(vec_read_collection(value, &back));
        release(value);
    }
    assert_false(vec_read_collection((struct bytes){out, size + 1}, &back));
    for (size_t at = 0; at < size; at++)
        for (unsigned change = 1; change < 256; change++) {
            struct bytes value = exact(out, size);
            ((uint8_t *)(uintptr_t)value.data)[at] ^= (uint8_t)change;
            if (vec_read_collection(value, &back)) {
                const struct vec_config *config = &back.config;
                assert_in_range(config->dim, 1, ROWS_DIM_MAX);
                assert_in_range(config->m, HNSW_M_MIN, HNSW_M_MAX);
                assert_in_range(config->ef_construction, VEC_EF_CONSTRUCTION_MIN,
                                VEC_EF_CONSTRUCTION_MAX);
                assert_true(config->metric < METRIC_COUNT && config->index < VEC_INDEX_COUNT &&
                            config->quantization < VEC_QUANTIZATION_COUNT);
                assert_true(back.created_at_ms >= 0);
            }
            release(value);
        }
}

/* ---- vectors ---- */

static const float three[] = {1, -2.5F, 0};
static const struct bytes map = {(const uint8_t *)"\x81\xa1k\x05", 4};

static void vector_bytes(void **state)
{
    (void)state;
    static const uint8_t wanted[] = {0, 0, 0,    0,    3, 0, 1, 0, 0,    0,    0x80, 0x3f,
                                     0, 0, 0x20, 0xc0, 0, 0, 0, 0, 0x81, 0xa1, 'k',  5};
    struct buf out = {0};
    struct vec_vector back;
    assert_int_equal(vec_write_vector(&out, 3, VEC_ARRAY, three, map), 0);
    assert_int_equal(out.size, sizeof wanted);
    assert_memory_equal(out.data, wanted, sizeof wanted);
    out.data[0] = 7;
    out.data[3] = 1;
    assert_true(vec_check_vector(buf_bytes(&out), &back));
    assert_int_equal(back.dim, 3);
    assert_int_equal(back.form, VEC_ARRAY);
    assert_memory_equal(vec_elements(&back, NULL), three, sizeof three);
    assert_true(bytes_equal(back.metadata, map));
    buf_deinit(&out);
}

/* At any place of memory, with and without metadata. */
static void vector_there_and_back(void **state)
{
    (void)state;
    static uint8_t elements[ROWS_DIM_MAX * sizeof(float) + 3];
    static const uint32_t dims[] = {1, 2, 5, 128, ROWS_DIM_MAX};
    for (size_t i = 0; i < sizeof elements; i++)
        elements[i] = (uint8_t)(i % 61); /* finite, whatever it is */
    for (size_t i = 0; i < sizeof dims / sizeof dims[0]; i++)
        for (unsigned shift = 0; shift < 4; shift++) {
            struct buf out = {0};
            struct bytes metadata = shift % 2 == 0 ? map : BYTES_NONE;
            assert_int_equal(vec_write_vector(&out, dims[i], VEC_BIN, elements + shift, metadata),
                             0);
            struct bytes value = exact(out.data, out.size);
            struct vec_vector back;
            assert_true(vec_check_vector(value, &back));
            assert_int_equal(back.dim, dims[i]);
            assert_int_equal(back.form, VEC_BIN);
            assert_memory_equal(back.stored.data, elements + shift, dims[i] * sizeof(float));
            assert_true(bytes_equal(back.metadata, metadata));
            release(value);
            buf_deinit(&out);
        }
}

static void vector_coded(void **state)
{
    (void)state;
    static const float given[] = {127, -2.4F, 0};
    static const uint8_t wanted[] = {0,    0,    0,   0,    3, 0,    0,    1,   0, 0,
                                     0x80, 0x3f, 127, 0xfe, 0, 0x81, 0xa1, 'k', 5};
    float room[3];
    struct buf out = {0}, again = {0};
    struct vec_vector back;
    struct vec_config config = {.dim = 3, .quantization = VEC_INT8_ONLY};
    assert_int_equal(vec_write_coded(&out, 3, VEC_BIN, given, map), 0);
    assert_int_equal(out.size, sizeof wanted);
    assert_memory_equal(out.data, wanted, sizeof wanted);
    assert_true(vec_check_vector(buf_bytes(&out), &back));
    assert_true(vec_belongs(&config, &back));
    config.quantization = VEC_INT8;
    assert_false(vec_belongs(&config, &back));
    const float *elements = vec_elements(&back, room);
    assert_true(elements[0] == 127 && elements[1] == -2 && elements[2] == 0);
    assert_int_equal(vec_write_stored(&again, &back), 0);
    assert_true(bytes_equal(buf_bytes(&again), buf_bytes(&out)));
    for (size_t cut = 0; cut < out.size; cut++) {
        struct bytes value = exact(out.data, cut);
        assert_int_equal(vec_check_vector(value, &back), cut == VEC_HEAD_BYTES + 4 + 3);
        release(value);
    }
    out.data[13] = 0x80; /* -128 */
    assert_false(vec_check_vector(buf_bytes(&out), &back));
    out.data[13] = 0x81;
    assert_true(vec_check_vector(buf_bytes(&out), &back));
    out.data[11] = 0x7f;
    out.data[10] = 0x80; /* an infinite step */
    assert_false(vec_check_vector(buf_bytes(&out), &back));
    buf_deinit(&out);
    buf_deinit(&again);
}

static void vector_refused(struct buf *out, size_t at, uint8_t byte)
{
    struct vec_vector back;
    uint8_t was = out->data[at];
    out->data[at] = byte;
    assert_false(vec_check_vector(buf_bytes(out), &back));
    out->data[at] = was;
}

static void vector_damaged(void **state)
{
    (void)state;
    struct buf out = {0};
    struct vec_vector back;
    assert_int_equal(vec_write_vector(&out, 3, VEC_BIN, three, map), 0);
    for (size_t cut = 0; cut < out.size; cut++) {
        struct bytes value = exact(out.data, cut);
        bool bare = cut == VEC_HEAD_BYTES + sizeof three; /* no metadata */
        assert_int_equal(vec_check_vector(value, &back), bare);
        release(value);
    }
    vector_refused(&out, 4, 0);     /* no elements */
    vector_refused(&out, 4, 200);   /* more than there are */
    vector_refused(&out, 5, 0x20);  /* the limit, and 3 */
    vector_refused(&out, 6, 2);     /* no such form */
    vector_refused(&out, 7, 2);     /* no such coding */
    vector_refused(&out, 20, 0x91); /* no map */
    vector_refused(&out, 20, 0x82); /* not all of it */
    vector_refused(&out, 20, 0x80); /* more than it */
    out.data[15] = 0x7f;            /* finite still */
    assert_true(vec_check_vector(buf_bytes(&out), &back));
    out.data[14] = 0x80;
    vector_refused(&out, 15, 0x7f); /* infinite */
    vector_refused(&out, 15, 0xff);
    buf_deinit(&out);
}

static void vector_without_memory(void **state)
{
    (void)state;
    struct buf out = {0};
#ifndef CAIRN_FAULTS
    skip();
#endif
    mem_fail_after(1, 1);
    assert_int_not_equal(vec_write_vector(&out, 3, VEC_BIN, three, map), 0);
    mem_fail_after(0, 0);
    assert_int_equal(out.size, 0);
    buf_deinit(&out);
}

/* ---- elements ---- */

static void assert_says(enum metric metric, const float *elements, uint32_t dim, const char *text)
{
    char said[VEC_TEXT_BYTES] = "";
    bool fine = vec_check_elements(metric, elements, dim, said);
    if (fine != (text == NULL) || (text != NULL && strstr(said, text) == NULL))
        fail_msg("metric %d, dim %u: '%s' instead of '%s'", (int)metric, dim, said,
                 text == NULL ? "" : text);
}

/* An odd element at every place of every length is found and named. */
static void elements_not_finite(void **state)
{
    (void)state;
    static const float odd[] = {NAN, INFINITY, -INFINITY};
    float elements[9];
    for (uint32_t dim = 1; dim <= 9; dim++)
        for (uint32_t at = 0; at < dim; at++)
            for (unsigned i = 0; i < 3; i++) {
                char text[32];
                for (uint32_t k = 0; k < dim; k++)
                    elements[k] = k == at ? odd[i] : 1;
                (void)snprintf(text, sizeof text, "element %u ", at);
                for (unsigned metric = 0; metric < METRIC_COUNT; metric++)
                    assert_says((enum metric)metric, elements, dim, text);
            }
}

static void elements_too_large_or_small(void **state)
{
    (void)state;
    const float zeros[9] = {0}, minus[1] = {-0.0F}, large[2] = {1, FLT_MAX};
    const float most[2] = {5e18F, 5e18F}, more[2] = {7e18F, 7e18F};
    const float tiny[2] = {1e-20F, 0}, least[2] = {2e-19F, 0}, denormal[1] = {FLT_TRUE_MIN};
    for (unsigned i = 0; i < METRIC_COUNT; i++) {
        enum metric metric = (enum metric)i;
        bool cosine = metric == METRIC_COSINE;
        for (uint32_t dim = 1; dim <= 9; dim++)
            assert_says(metric, zeros, dim, cosine ? "zero" : NULL);
        assert_says(metric, minus, 1, cosine ? "zero" : NULL);
        assert_says(metric, large, 2, "more than");
        assert_says(metric, more, 2, "more than");
        assert_says(metric, most, 2, NULL);
        assert_says(metric, tiny, 2, cosine ? "less than" : NULL);
        assert_says(metric, denormal, 1, cosine ? "less than" : NULL);
        assert_says(metric, least, 2, NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(collection_bytes),      cmocka_unit_test(collection_there_and_back),
        cmocka_unit_test(collection_damaged),    cmocka_unit_test(vector_bytes),
        cmocka_unit_test(vector_there_and_back), cmocka_unit_test(vector_damaged),
        cmocka_unit_test(vector_coded),          cmocka_unit_test(vector_without_memory),
        cmocka_unit_test(elements_not_finite),   cmocka_unit_test(elements_too_large_or_small),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
