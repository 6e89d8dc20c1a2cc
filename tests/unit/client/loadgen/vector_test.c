/* SPDX-License-Identifier: BSD-3-Clause
 *
 * client/loadgen/vector_*: vectors follow from seed and number; the oracle knows what a plain sort
 * knows; files are read as they were written, and anything else is refused; recall is what it is
 * said to be, whatever a server answers.
 */
#include "client/loadgen/vector_file.h"
#include "client/loadgen/vector_kernel.h"
#include "client/loadgen/vector_recall.h"
#include "client/loadgen/vector_server.h"
#include "client/loadgen/vector_words.h"
#include "common/err.h"
#include "common/mem.h"
#include "common/rng.h"
#include "proto/mp.h"
#include "proto/pack.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { N = 500, QUERIES = 60, DIM = 21, K = 10, THREADS = 3 };

static struct vector_spec spec_of(enum vector_metric metric, double selectivity)
{
    return (struct vector_spec){.metric = metric,
                                .dim = DIM,
                                .n = N,
                                .queries = QUERIES,
                                .selectivity = selectivity,
                                .seed = 7,
                                .dataset = "",
                                .query_file = ""};
}

static void make(struct vector_set *set, enum vector_metric metric, double selectivity)
{
    char detail[VECTOR_DETAIL_SIZE];
    struct vector_spec spec = spec_of(metric, selectivity);
    assert_int_equal(vector_set_make(set, &spec, THREADS, detail), 0);
}

/* ---- vectors ---- */

static void same_for_any_threads(void **state)
{
    (void)state;
    char detail[VECTOR_DETAIL_SIZE];
    struct vector_set a, b;
    struct vector_spec spec = spec_of(VECTOR_L2, 1);
    make(&a, VECTOR_L2, 1);
    spec.n = N / 2; /* the same vectors, fewer of them */
    assert_int_equal(vector_set_make(&b, &spec, 1, detail), 0);
    assert_memory_equal(a.rows, b.rows, N / 2 * DIM * sizeof(float));
    assert_memory_equal(a.queries, b.queries, QUERIES * DIM * sizeof(float));
    assert_memory_not_equal(a.rows, a.queries, DIM * sizeof(float));
    vector_set_deinit(&b);
    spec.seed = 8;
    assert_int_equal(vector_set_make(&b, &spec, 1, detail), 0);
    assert_memory_not_equal(a.rows, b.rows, DIM * sizeof(float));
    vector_set_deinit(&a);
    vector_set_deinit(&b);
}

/* Variance lies in few directions: as if there were that many independent elements, of 256. */
static void low_intrinsic_dimension(void **state)
{
    (void)state;
    enum { WIDE = 256, MANY = 2000 };
    struct vector_mixture *mixture = vector_mixture_create(WIDE, 1);
    float *rows = mem_calloc((size_t)MANY * WIDE, sizeof *rows);
    double trace = 0, square = 0;
    for (size_t i = 0; i < MANY; i++)
        vector_mixture_draw(mixture, i, rows + i * WIDE);
    /* Participation ratio of the covariance: trace^2 / trace of the square. */
    double *covariance = mem_calloc((size_t)WIDE * WIDE, sizeof *covariance);
    for (size_t i = 0; i + 1 < MANY; i++)
        for (size_t a = 0; a < WIDE; a++)
            for (size_t b = 0; b < WIDE; b += 4)
                covariance[a * WIDE + b] +=
                    (double)rows[i * WIDE + a] * (double)rows[i * WIDE + b] / MANY;
    for (size_t a = 0; a < WIDE; a++)
        for (size_t b = 0; b < WIDE; b += 4) {
            trace += a == b ? 4 * covariance[a * WIDE + b] : 0;
            square += 4 * covariance[a * WIDE + b] * covariance[a * WIDE + b];
        }
    double ratio = trace * trace / square;
    if (ratio < 20 || ratio > 170)
        fail_msg("the vectors have an effective dimension of %.1f of 256", ratio);
    mem_free(covariance);
    mem_free(rows);
    vector_mixture_destroy(mixture);
}

static void uniform_numbers(void **state)
{
    (void)state;
    struct vector_set set = {.spec = spec_of(VECTOR_COSINE, 0.1)};
    unsigned matching = 0;
    for (uint64_t i = 0; i < 100000; i++) {
        double u = vector_uniform(&set, i);
        assert_true(u >= 0 && u < 1);
        assert_int_equal(vector_matches(&set, i), u < 0.1);
        matching += u < 0.1;
    }
    assert_in_range(matching, 9600, 10400);
    set.spec.selectivity = 1;
    assert_true(vector_matches(&set, 5));
}

static void kernels(void **state)
{
    (void)state;
    float a[100], b[100];
    struct rng rng = {3};
    for (size_t i = 0; i < 100; i++) {
        a[i] = (float)rng_below(&rng, 100) - 50;
        b[i] = (float)rng_below(&rng, 100) - 50;
    }
    float dot = 0, l2 = 0;
    for (size_t n = 0; n <= 100; n++) { /* whole numbers: sums are exact in any order */
        assert_true(vector_kernel_dot(a, b, n) == dot);
        assert_true(vector_kernel_l2(a, b, n) == l2);
        dot += n < 100 ? a[n] * b[n] : 0;
        l2 += n < 100 ? (a[n] - b[n]) * (a[n] - b[n]) : 0;
    }
}

/* ---- oracle ---- */

static int order(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

/* Written out, in double, in another order. */
static double plain_distance(const struct vector_set *set, uint64_t q, uint64_t i)
{
    double dot = 0, l2 = 0, aa = 0, bb = 0;
    for (size_t e = DIM; e-- > 0;) {
        double a = vector_query(set, q)[e], b = vector_row(set, i)[e];
        dot += a * b;
        l2 += (a - b) * (a - b);
        aa += a * a;
        bb += b * b;
    }
    return set->spec.metric == VECTOR_L2    ? sqrt(l2)
           : set->spec.metric == VECTOR_DOT ? -dot
                                            : 1 - dot / sqrt(aa * bb);
}

static void check_oracle(enum vector_metric metric, double selectivity, uint64_t k)
{
    struct vector_set set;
    struct vector_oracle oracle;
    double all[N];
    make(&set, metric, selectivity);
    const struct vector_question question = {.k = k, .reach = 1000, .sample = 20};
    assert_int_equal(vector_oracle_make(&oracle, &set, &question, THREADS), 0);
    assert_int_equal(oracle.every, 3);
    assert_int_equal(oracle.n, 20);
    for (uint64_t q = 0; q < QUERIES; q++) {
        assert_int_equal(vector_oracle_knows(&oracle, q), q % 3 == 0);
        if (q % 3 != 0)
            continue;
        size_t n = 0;
        for (uint64_t i = 0; i < N; i++)
            if (vector_uniform(&set, i) < selectivity)
                all[n++] = plain_distance(&set, q, i);
        qsort(all, n, sizeof *all, order);
        assert_int_equal(oracle.expected, n < k ? n : k);
        if (n == 0)
            continue;
        double last = all[oracle.expected - 1];
        assert_true(fabs(oracle.farthest[q / 3] - last) < 1e-5);
        assert_true(vector_oracle_counts(&oracle, q, last));
        assert_true(vector_oracle_counts(&oracle, q, last + 0.0009 * fabs(last)));
        assert_false(vector_oracle_counts(&oracle, q, last + 0.002 * fabs(last) + 1e-4));
    }
    vector_oracle_deinit(&oracle);
    vector_set_deinit(&set);
}

static void oracle(void **state)
{
    (void)state;
    for (unsigned metric = 0; metric < VECTOR_METRICS; metric++) {
        check_oracle((enum vector_metric)metric, 1, K);
        check_oracle((enum vector_metric)metric, 1, 1);
        check_oracle((enum vector_metric)metric, 0.1, K);
        check_oracle((enum vector_metric)metric, 0.01, K);
        check_oracle((enum vector_metric)metric, 0.0001, K);
        check_oracle((enum vector_metric)metric, 1, 2 * N);
    }
}

/* A short test uses the first queries only. */
static void oracle_reach(void **state)
{
    (void)state;
    struct vector_set set;
    struct vector_oracle oracle;
    make(&set, VECTOR_COSINE, 1);
    struct vector_question question = {.k = K, .reach = 10, .sample = 20};
    assert_int_equal(vector_oracle_make(&oracle, &set, &question, THREADS), 0);
    assert_int_equal(oracle.every, 1);
    assert_int_equal(oracle.n, 10);
    assert_false(vector_oracle_knows(&oracle, 10));
    vector_oracle_deinit(&oracle);
    question = (struct vector_question){.k = K, .reach = UINT64_MAX, .sample = 0};
    assert_int_equal(vector_oracle_make(&oracle, &set, &question, THREADS), 0);
    assert_int_equal(oracle.n, QUERIES);
    vector_oracle_deinit(&oracle);
    vector_set_deinit(&set);
}

/* ---- files ---- */

struct file {
    char path[64];
};

static void file_write(struct file *file, const void *bytes, size_t size)
{
    (void)snprintf(file->path, sizeof file->path, "/tmp/vector_test.XXXXXX");
    int fd = mkstemp(file->path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, size), (ssize_t)size);
    close(fd);
}

static size_t fvecs(uint8_t *out, uint32_t dim, size_t rows)
{
    size_t at = 0;
    for (size_t i = 0; i < rows; i++) {
        memcpy(out + at, &dim, sizeof dim);
        at += sizeof dim;
        for (uint32_t e = 0; e < dim; e++, at += sizeof(float)) {
            float x = (float)(i * 10 + e);
            memcpy(out + at, &x, sizeof x);
        }
    }
    return at;
}

static size_t npy(uint8_t *out, const char *header, size_t floats)
{
    size_t size = strlen(header);
    memcpy(out, "\x93NUMPY\x01\x00", 8);
    out[8] = (uint8_t)size;
    out[9] = (uint8_t)(size >> 8);
    memcpy(out + 10, header, size);
    for (size_t i = 0; i < floats; i++) {
        float x = (float)i;
        memcpy(out + 10 + size + i * sizeof x, &x, sizeof x);
    }
    return 10 + size + floats * sizeof(float);
}

static int read_set(struct vector_set *set, const char *data, const char *queries, uint64_t n,
                    uint64_t n_queries, char *out_detail)
{
    struct vector_spec spec = spec_of(VECTOR_L2, 1);
    spec.dataset = data;
    spec.query_file = queries;
    spec.n = n;
    spec.queries = n_queries;
    return vector_set_make(set, &spec, 1, out_detail);
}

static void files(void **state)
{
    (void)state;
    uint8_t bytes[2000];
    char detail[VECTOR_DETAIL_SIZE];
    struct file data, queries;
    struct vector_set set;
    file_write(&data, bytes, fvecs(bytes, 3, 20));
    assert_int_equal(read_set(&set, data.path, "", 0, 4, detail), 0);
    assert_int_equal(set.spec.dim, 3);
    assert_int_equal(set.spec.n, 16);
    assert_true(vector_row(&set, 15)[2] == 152);
    assert_true(vector_query(&set, 0)[0] == 160);
    vector_set_deinit(&set);
    assert_int_equal(read_set(&set, data.path, "", 0, 0, detail), 0); /* half are queries */
    assert_int_equal(set.spec.queries, 10);
    vector_set_deinit(&set);
    assert_int_equal(read_set(&set, data.path, "", 17, 4, detail), ERR_BAD_ARGUMENT);
    vector_set_deinit(&set);
    file_write(&queries, bytes,
               npy(bytes, "{'descr': '<f4', 'fortran_order': False, 'shape': (5, 3), }\n", 15));
    assert_int_equal(read_set(&set, data.path, queries.path, 0, 0, detail), 0);
    assert_int_equal(set.spec.n, 20);
    assert_int_equal(set.spec.queries, 5);
    assert_true(vector_query(&set, 4)[2] == 14);
    vector_set_deinit(&set);
    assert_int_equal(read_set(&set, queries.path, "", 0, 5, detail), ERR_BAD_ARGUMENT);
    vector_set_deinit(&set);
    assert_int_equal(read_set(&set, "/nowhere", "", 0, 5, detail), ERR_BAD_ARGUMENT);
    vector_set_deinit(&set);
    unlink(data.path);
    unlink(queries.path);
}

/* client/common/vector_table refuses what is damaged; here it is told of which option. */
static void files_refused(void **state)
{
    (void)state;
    static const struct {
        const char *header; /* NULL: .fvecs */
        size_t change;      /* a byte that becomes 0xff and is followed by three more; 0: none */
        const char *expected;
    } cases[] = {
        {"{'descr': '<f4', 'fortran_order': True, 'shape': (5, 3), }", 0, "in Fortran order"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (6, 3), }", 0, "60 bytes follow"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (0, 3), }", 0, "60 bytes follow"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (999999999999999999, 8192), }", 0,
         "60 bytes follow"},
        {NULL, 16, "row 1 (byte 16): a vector of 4294967295 elements"},
        {NULL, 24, "row 1 (byte 16): element 1 is no number"},
    };
    uint8_t bytes[2000];
    struct vector_set set;
    struct file file;
    char detail[VECTOR_DETAIL_SIZE];
    for (size_t i = 0; i < LENGTH_OF(cases); i++) {
        size_t size =
            cases[i].header != NULL ? npy(bytes, cases[i].header, 15) : fvecs(bytes, 3, 5);
        if (cases[i].change > 0)
            memcpy(bytes + cases[i].change, "\xff\xff\xff\xff", 4);
        file_write(&file, bytes, size);
        assert_int_equal(read_set(&set, file.path, "", 0, 1, detail), ERR_BAD_ARGUMENT);
        assert_true(strncmp(detail, "--dataset /tmp/vector_test.", 27) == 0);
        if (strstr(detail, cases[i].expected) == NULL)
            fail_msg("%s instead of %s", detail, cases[i].expected);
        vector_set_deinit(&set);
        unlink(file.path);
    }
    assert_int_equal(read_set(&set, "/dev/null", "", 0, 1, detail), ERR_BAD_ARGUMENT);
    assert_non_null(strstr(detail, "it is no file"));
    vector_set_deinit(&set);
}

/* ---- requests ---- */

static struct vector_plan plan_of(const struct vector_set *set, const struct vector_oracle *oracle)
{
    return (struct vector_plan){.used = true,
                                .collection = "c",
                                .key_prefix = "key:",
                                .k = K,
                                .ef = 40,
                                .batch = 7,
                                .set = set,
                                .oracle = oracle};
}

/* All words are one value each, no larger than promised. */
static void words(void **state)
{
    (void)state;
    static const char *const texts[] = {"__collection__", "__vector__", "__metadata__",
                                        "__entries__",    "__query__",  "__queries__",
                                        "__search__",     "__narrow__"};
    struct vector_set set;
    struct buf out;
    enum vector_word word;
    make(&set, VECTOR_COSINE, 0.5);
    struct vector_plan plan = plan_of(&set, NULL);
    plan.exact = true;
    buf_init(&out);
    for (size_t i = 0; i < LENGTH_OF(texts); i++)
        for (uint64_t index = 0; index < 200; index++) {
            assert_true(vector_word_find(bytes_of(texts[i]), &word));
            out.size = 0;
            assert_int_equal(buf_reserve(&out, vector_word_bytes(&plan, word)), 0);
            vector_word_put(&plan, word, index * 13, index, &out);
            assert_true(out.size <= vector_word_bytes(&plan, word));
            struct mp_reader reader = mp_reader_of(buf_bytes(&out));
            assert_int_equal(mp_skip(&reader, MP_DEPTH_MAX), 0);
            assert_true(mp_at_end(&reader));
        }
    assert_false(vector_word_find(bytes_of("__vectors__"), &word));
    /* Batches cover all vectors; the last is smaller. */
    unsigned stored = 0;
    for (uint64_t index = 0; index < (N + 6) / 7; index++) {
        struct mp head;
        out.size = 0;
        assert_int_equal(buf_reserve(&out, vector_word_bytes(&plan, VECTOR_WORD_ENTRIES)), 0);
        vector_word_put(&plan, VECTOR_WORD_ENTRIES, 0, index, &out);
        struct mp_reader reader = mp_reader_of(buf_bytes(&out));
        assert_int_equal(mp_read(&reader, &head), 0);
        stored += head.count;
    }
    assert_int_equal(stored, N);
    buf_deinit(&out);
    vector_set_deinit(&set);
}

static void lists(void **state)
{
    (void)state;
    static const char *const wrong[] = {"", "x", "1,", ",1", "1,1", "-1", "100001", "1 ,2"};
    struct vector_efs efs;
    bool recall;
    uint64_t sample;
    assert_true(vector_efs_parse("16,32,0", &efs));
    assert_int_equal(efs.n, 3);
    assert_int_equal(efs.ef[1], 32);
    for (size_t i = 0; i < LENGTH_OF(wrong); i++)
        assert_false(vector_efs_parse(wrong[i], &efs));
    assert_true(vector_recall_parse("sample", &recall, &sample) && recall && sample == 1000);
    assert_true(vector_recall_parse("all", &recall, &sample) && recall && sample == 0);
    assert_true(vector_recall_parse("50", &recall, &sample) && recall && sample == 50);
    assert_true(vector_recall_parse("off", &recall, &sample) && !recall);
    assert_false(vector_recall_parse("0", &recall, &sample));
    assert_false(vector_recall_parse("some", &recall, &sample));
}

/* ---- recall ---- */

/* The result of a search: keys of these vectors. */
static void put_result(struct buf *out, const uint64_t *found, size_t n)
{
    char key[32];
    assert_int_equal(pack_map(out, 2), 0);
    assert_int_equal(pack_str(out, bytes_of("scanned")), 0);
    assert_int_equal(pack_uint(out, 5), 0);
    assert_int_equal(pack_str(out, bytes_of("items")), 0);
    assert_int_equal(pack_array(out, n), 0);
    for (size_t i = 0; i < n; i++) {
        (void)snprintf(key, sizeof key, "key:%012llu", (unsigned long long)found[i]);
        assert_int_equal(pack_map(out, 2), 0);
        assert_int_equal(pack_str(out, bytes_of("score")), 0);
        assert_int_equal(pack_real(out, 0.5), 0);
        assert_int_equal(pack_str(out, bytes_of("key")), 0);
        assert_int_equal(pack_str(out, bytes_of(key)), 0);
    }
}

/* The k nearest of a query, nearest first. */
static void nearest(const struct vector_set *set, uint64_t q, uint64_t out[static K])
{
    bool taken[N] = {false};
    for (size_t i = 0; i < K; i++) {
        uint64_t best = UINT64_MAX;
        for (uint64_t j = 0; j < N; j++)
            if (!taken[j] && vector_matches(set, j) &&
                (best == UINT64_MAX || plain_distance(set, q, j) < plain_distance(set, q, best)))
                best = j;
        out[i] = best;
        taken[best] = true;
    }
}

struct rig {
    struct vector_set set;
    struct vector_oracle oracle;
    struct vector_plan plan;
    struct vector_kept kept;
    struct buf reply;
    struct vector_recall recall;
};

static void rig_init(struct rig *rig, bool many)
{
    memset(rig, 0, sizeof *rig);
    make(&rig->set, VECTOR_COSINE, 0.5);
    const struct vector_question question = {.k = K, .reach = QUERIES, .sample = 0};
    assert_int_equal(vector_oracle_make(&rig->oracle, &rig->set, &question, 1), 0);
    rig->plan = plan_of(&rig->set, &rig->oracle);
    assert_int_equal(vector_kept_prepare(&rig->kept, &rig->plan, many), 0);
}

static void rig_score(struct rig *rig)
{
    const struct vector_kept *kept = &rig->kept;
    vector_recall_score(&rig->plan, &kept, 1, &rig->recall);
}

static void rig_deinit(struct rig *rig)
{
    vector_kept_deinit(&rig->kept);
    buf_deinit(&rig->reply);
    vector_oracle_deinit(&rig->oracle);
    vector_set_deinit(&rig->set);
}

/* A vector that does not match the filter, or one that is far. */
static uint64_t other(const struct vector_set *set, uint64_t q, bool matches)
{
    uint64_t best = UINT64_MAX;
    for (uint64_t i = 0; i < N; i++)
        if (vector_matches(set, i) == matches &&
            (best == UINT64_MAX || plain_distance(set, q, i) > plain_distance(set, q, best)))
            best = i;
    return best;
}

static void recall_of_replies(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, false);
    for (uint64_t q = 0; q < QUERIES; q++) {
        uint64_t found[K];
        size_t n = K;
        nearest(&rig.set, q, found);
        if (q == 1)
            found[3] = other(&rig.set, q, true); /* far: 0.9 */
        if (q == 2)
            found[3] = found[4]; /* twice: 0.9, wrong */
        if (q == 3)
            found[0] = other(&rig.set, q, false); /* does not match: 0.9, wrong */
        if (q == 4)
            found[0] = N; /* was never stored: 0.9, wrong */
        if (q == 5)
            n = 4; /* few: 0.4 */
        rig.reply.size = 0;
        put_result(&rig.reply, found, n);
        vector_kept_add(&rig.kept, &rig.plan, q, false, buf_bytes(&rig.reply));
    }
    vector_kept_add(&rig.kept, &rig.plan, QUERIES, false,
                    buf_bytes(&rig.reply)); /* a second time */
    rig_score(&rig);
    assert_int_equal(rig.recall.scored, QUERIES);
    assert_int_equal(rig.recall.few, 1);
    assert_int_equal(rig.recall.wrong, 3);
    assert_true(fabs(rig.recall.mean - (QUERIES - 1.0) / QUERIES) < 1e-9);
    assert_true(fabs(rig.recall.min - 0.4) < 1e-9);
    assert_true(fabs(rig.recall.p5 - 0.9) < 1e-9);
    struct vector_recall all = rig.recall, perfect = {.scored = QUERIES, .mean = 1, .min = 1};
    perfect.p5 = 1;
    vector_recall_merge(&all, &perfect);
    assert_int_equal(all.scored, 2 * QUERIES);
    assert_true(fabs(all.mean - (1 - 0.5 / QUERIES)) < 1e-9 && all.min == rig.recall.min);
    rig_deinit(&rig);
}

static void recall_of_batches(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, true);
    for (uint64_t index = 0; index < QUERIES / 7; index++) {
        rig.reply.size = 0;
        assert_int_equal(pack_array(&rig.reply, 7), 0);
        for (uint64_t i = 0; i < 7; i++) {
            uint64_t found[K];
            nearest(&rig.set, index * 7 + i, found);
            put_result(&rig.reply, found, K);
        }
        vector_kept_add(&rig.kept, &rig.plan, index, true, buf_bytes(&rig.reply));
    }
    rig_score(&rig);
    assert_int_equal(rig.recall.scored, QUERIES / 7 * 7);
    assert_true(rig.recall.mean == 1 && rig.recall.few == 0 && rig.recall.wrong == 0);
    rig_deinit(&rig);
}

/* A reply of any bytes finds nothing, or what it says. */
static void recall_of_anything(void **state)
{
    (void)state;
    struct rig rig;
    struct rng rng = {5};
    rig_init(&rig, false);
    for (unsigned round = 0; round < 2000; round++) {
        uint64_t found[K], q = round % QUERIES;
        for (size_t i = 0; i < K; i++)
            found[i] = rng_below(&rng, N);
        rig.reply.size = 0;
        put_result(&rig.reply, found, K);
        for (unsigned i = 0; i < round % 8; i++)
            rig.reply.data[rng_below(&rng, i % 2 == 0 ? 30 : rig.reply.size)] =
                (uint8_t)rng_next(&rng);
        rig.reply.size = rng_below(&rng, rig.reply.size + 1);
        rig.kept.bytes.size = 0;
        vector_kept_add(&rig.kept, &rig.plan, q, false, buf_bytes(&rig.reply));
        rig_score(&rig);
        assert_true(rig.recall.scored <= QUERIES && rig.recall.mean >= 0 && rig.recall.mean <= 1);
    }
    rig_deinit(&rig);
}

/* ---- vec.info ---- */

static void states(void **state)
{
    (void)state;
    struct vector_state info;
    static const char text[] = "\x84\xa5state\xa8"
                               "building\xa4tail\xcd\x01\x00\xa5"
                               "count\x07\xa1x\xc0";
    vector_state_read((struct bytes){(const uint8_t *)text, sizeof text - 1}, &info);
    assert_string_equal(info.state, "building");
    assert_int_equal(info.tail, 256);
    assert_int_equal(info.count, 7);
    assert_false(vector_state_is_built(&info));
    for (size_t size = 0; size < sizeof text - 1; size++)
        vector_state_read((struct bytes){(const uint8_t *)text, size}, &info);
    vector_state_read((struct bytes){(const uint8_t *)"\x81\xa5state\xa5graph", 13}, &info);
    assert_true(vector_state_is_built(&info));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_for_any_threads),
        cmocka_unit_test(low_intrinsic_dimension),
        cmocka_unit_test(uniform_numbers),
        cmocka_unit_test(kernels),
        cmocka_unit_test(oracle),
        cmocka_unit_test(oracle_reach),
        cmocka_unit_test(files),
        cmocka_unit_test(files_refused),
        cmocka_unit_test(words),
        cmocka_unit_test(lists),
        cmocka_unit_test(recall_of_replies),
        cmocka_unit_test(recall_of_batches),
        cmocka_unit_test(recall_of_anything),
        cmocka_unit_test(states),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
