/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Makes vectors.
 *
 * How: a vector is centre + basis * z + noise. The centre is of one of the clusters, the basis is
 * that of the cluster's family, of which there are 8; z has 40 elements whose deviation falls
 * geometrically. Gaussian numbers are sums of four uniform ones: the same on every machine, and
 * made fast.
 *
 * Invariants: rows and queries are finite; with cosine none is all zero.
 * Threads: made by several, then read only. Failures: as in vector_set.h.
 */
#include "client/loadgen/vector_set.h"

#include "client/loadgen/vector_file.h"
#include "client/loadgen/vector_kernel.h"
#include "common/err.h"
#include "common/mem.h"
#include "common/rng.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum {
    MIXTURE_CLUSTERS = 256,
    MIXTURE_FAMILIES = 8,
    MIXTURE_RANK = 40,
    VECTOR_CHUNK = 64,    /* vectors made in one go */
    VECTOR_PATIENCE_S = 2 /* progress is told after so long */
};

static const double mixture_center = 0.4; /* deviation of centres in each of the directions */
static const double mixture_decay = 0.97; /* of the deviation, from one direction to the next */
static const double mixture_noise = 0.2;  /* of each element, of the deviation of all */

#define VECTOR_QUERY_BIT (UINT64_C(1) << 62) /* numbers of queries */

const char *const vector_metric_names[VECTOR_METRICS] = {"cosine", "l2", "dot"};

/* ---- many threads ---- */

struct parallel {
    void (*work)(void *context, size_t i);
    void *context;
    size_t n;
    atomic_size_t next, done;
    pthread_mutex_t lock;
    pthread_cond_t finished; /* on CLOCK_MONOTONIC: no thread is running */
    unsigned running;        /* threads, under the lock */
};

static void parallel_work(struct parallel *p)
{
    size_t i;
    while ((i = atomic_fetch_add(&p->next, 1)) < p->n) {
        p->work(p->context, i);
        atomic_fetch_add(&p->done, 1);
    }
}

static void *parallel_main(void *argument)
{
    struct parallel *p = argument;
    parallel_work(p);
    pthread_mutex_lock(&p->lock);
    if (--p->running == 0)
        pthread_cond_signal(&p->finished);
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

static void parallel_tell(const struct parallel *p, const char *progress)
{
    if (progress != NULL)
        fprintf(stderr, "loadgen: %s: %.0f %%\n", progress,
                100.0 * (double)atomic_load(&p->done) / (double)p->n);
}

/* Until all threads have ended; say every two seconds how far they are. */
static void parallel_wait(struct parallel *p, const char *progress)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += VECTOR_PATIENCE_S;
    pthread_mutex_lock(&p->lock);
    while (p->running > 0)
        if (pthread_cond_timedwait(&p->finished, &p->lock, &until) == ETIMEDOUT) {
            parallel_tell(p, progress);
            until.tv_sec += VECTOR_PATIENCE_S;
        }
    pthread_mutex_unlock(&p->lock);
}

static void parallel_init(struct parallel *p)
{
    pthread_condattr_t attr;
    REQUIRE(pthread_mutex_init(&p->lock, NULL) == 0 && pthread_condattr_init(&attr) == 0);
    REQUIRE(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0);
    REQUIRE(pthread_cond_init(&p->finished, &attr) == 0);
    pthread_condattr_destroy(&attr);
}

/* As many threads as wanted, or as there can be. */
static unsigned parallel_start(struct parallel *p, pthread_t *thread, unsigned wanted)
{
    unsigned started = 0;
    pthread_mutex_lock(&p->lock); /* none ends before all are counted */
    while (started < wanted && pthread_create(&thread[started], NULL, parallel_main, p) == 0)
        started++;
    p->running = started;
    pthread_mutex_unlock(&p->lock);
    return started;
}

void vector_parallel(size_t n, unsigned threads, const char *progress,
                     void (*work)(void *context, size_t i), void *context)
{
    enum { THREADS_MAX = 64 };
    struct parallel p = {.work = work, .context = context, .n = n};
    pthread_t thread[THREADS_MAX];
    parallel_init(&p);
    unsigned started = parallel_start(&p, thread, threads < THREADS_MAX ? threads : THREADS_MAX);
    if (started == 0)
        parallel_work(&p);
    parallel_wait(&p, progress);
    for (unsigned i = 0; i < started; i++)
        pthread_join(thread[i], NULL);
    pthread_cond_destroy(&p.finished);
    pthread_mutex_destroy(&p.lock);
}

/* ---- synthetic vectors ---- */

struct vector_mixture {
    size_t dim;
    uint64_t seed;
    float *centers; /* MIXTURE_CLUSTERS * dim */
    float *bases;   /* MIXTURE_FAMILIES * MIXTURE_RANK * dim */
};

/* Four of 16 bits make one of mean 0 and deviation 1. */
static float mixture_gaussian(struct rng *rng)
{
    const float scale =
        1.7320508f / 65536.0f; /* the deviation of a sum of four is 65536 / sqrt 3 */
    uint64_t r = rng_next(rng);
    int32_t sum = (int32_t)(r & 0xffff) + (int32_t)(r >> 16 & 0xffff) +
                  (int32_t)(r >> 32 & 0xffff) + (int32_t)(r >> 48);
    return (float)(sum - 2 * 65535) * scale;
}

static struct rng mixture_stream(uint64_t seed, uint64_t number)
{
    return (struct rng){rng_mix(rng_mix(seed + 0x766563u) + number * 0x9e3779b97f4a7c15u)};
}

static void mixture_axpy(float *to, float factor, const float *from, size_t n)
{
    for (size_t i = 0; i < n; i++)
        to[i] += factor * from[i];
}

static void mixture_fill(struct vector_mixture *m)
{
    const float unit = 1.0f / sqrtf((float)m->dim);
    struct rng rng = mixture_stream(m->seed, UINT64_MAX);
    for (size_t i = 0; i < (size_t)MIXTURE_FAMILIES * MIXTURE_RANK * m->dim; i++)
        m->bases[i] = mixture_gaussian(&rng) * unit;
    for (size_t c = 0; c < MIXTURE_CLUSTERS; c++) {
        float *center = m->centers + c * m->dim;
        for (size_t r = 0; r < (size_t)MIXTURE_FAMILIES * MIXTURE_RANK; r++)
            mixture_axpy(center,
                         (float)mixture_center / sqrtf(MIXTURE_FAMILIES) * mixture_gaussian(&rng),
                         m->bases + r * m->dim, m->dim);
    }
}

struct vector_mixture *vector_mixture_create(size_t dim, uint64_t seed)
{
    struct vector_mixture *m = mem_calloc(1, sizeof *m);
    if (m == NULL)
        return NULL;
    m->dim = dim;
    m->seed = seed;
    m->centers = mem_calloc(MIXTURE_CLUSTERS * dim, sizeof *m->centers);
    m->bases = mem_calloc((size_t)MIXTURE_FAMILIES * MIXTURE_RANK * dim, sizeof *m->bases);
    if (m->centers == NULL || m->bases == NULL) {
        vector_mixture_destroy(m);
        return NULL;
    }
    mixture_fill(m);
    return m;
}

void vector_mixture_destroy(struct vector_mixture *m)
{
    if (m == NULL)
        return;
    mem_free(m->centers);
    mem_free(m->bases);
    mem_free(m);
}

void vector_mixture_draw(const struct vector_mixture *m, uint64_t number, float *out)
{
    const float noise = (float)mixture_noise / sqrtf((float)m->dim) * sqrtf(MIXTURE_RANK);
    struct rng rng = mixture_stream(m->seed, number);
    size_t cluster = (size_t)rng_below(&rng, MIXTURE_CLUSTERS);
    const float *basis = m->bases + cluster % MIXTURE_FAMILIES * MIXTURE_RANK * m->dim;
    float deviation = 1;
    memcpy(out, m->centers + cluster * m->dim, m->dim * sizeof *out);
    for (size_t r = 0; r < MIXTURE_RANK; r++, deviation *= (float)mixture_decay)
        mixture_axpy(out, deviation * mixture_gaussian(&rng), basis + r * m->dim, m->dim);
    for (size_t i = 0; i < m->dim; i++)
        out[i] += noise * mixture_gaussian(&rng);
}

/* ---- a set ---- */

struct set_maker {
    struct vector_set *set;
    const struct vector_mixture *mixture;
};

/* Vectors and then queries, a chunk of them. */
static void set_make_chunk(void *context, size_t chunk)
{
    const struct set_maker *maker = context;
    const struct vector_set *set = maker->set;
    uint64_t n = set->spec.n, all = n + set->spec.queries, i = (uint64_t)chunk * VECTOR_CHUNK;
    for (uint64_t end = i + VECTOR_CHUNK; i < end && i < all; i++) {
        bool query = i >= n;
        uint64_t at = query ? i - n : i;
        vector_mixture_draw(maker->mixture, query ? at | VECTOR_QUERY_BIT : at,
                            (query ? set->queries : set->rows) + at * set->spec.dim);
    }
}

static size_t set_chunks(const struct vector_set *set)
{
    return (size_t)((set->spec.n + set->spec.queries + VECTOR_CHUNK - 1) / VECTOR_CHUNK);
}

static int set_synthesize(struct vector_set *set, unsigned threads)
{
    const struct vector_spec *spec = &set->spec;
    struct vector_mixture *mixture = vector_mixture_create(spec->dim, spec->seed);
    struct set_maker maker = {set, mixture};
    set->rows = mem_calloc(spec->n * spec->dim, sizeof *set->rows);
    set->queries = mem_calloc(spec->queries * spec->dim, sizeof *set->queries);
    int err = mixture == NULL || set->rows == NULL || set->queries == NULL ? ERR_OUT_OF_MEMORY : 0;
    if (err == 0)
        vector_parallel(set_chunks(set), threads, "making vectors", set_make_chunk, &maker);
    vector_mixture_destroy(mixture);
    return err;
}

static void set_norm_chunk(void *context, size_t chunk)
{
    const struct vector_set *set = context;
    size_t dim = set->spec.dim;
    uint64_t n = set->spec.n, all = n + set->spec.queries, i = (uint64_t)chunk * VECTOR_CHUNK;
    for (uint64_t end = i + VECTOR_CHUNK; i < end && i < all; i++) {
        bool query = i >= n;
        uint64_t at = query ? i - n : i;
        const float *v = (query ? set->queries : set->rows) + at * dim;
        (query ? set->query_norms : set->norms)[at] = sqrtf(vector_kernel_dot(v, v, dim));
    }
}

static int set_norms(struct vector_set *set, unsigned threads, char *out_detail)
{
    if (set->spec.metric != VECTOR_COSINE)
        return 0;
    set->norms = mem_calloc(set->spec.n, sizeof *set->norms);
    set->query_norms = mem_calloc(set->spec.queries, sizeof *set->query_norms);
    if (set->norms == NULL || set->query_norms == NULL)
        return ERR_OUT_OF_MEMORY;
    vector_parallel(set_chunks(set), threads, NULL, set_norm_chunk, set);
    for (uint64_t i = 0; i < set->spec.n + set->spec.queries; i++)
        if (!((i < set->spec.n ? set->norms[i] : set->query_norms[i - set->spec.n]) > 0)) {
            (void)snprintf(out_detail, VECTOR_DETAIL_SIZE,
                           "row %llu is all zero, which has no direction: leave it out, or use "
                           "--metric l2 or dot",
                           (unsigned long long)i);
            return ERR_BAD_ARGUMENT;
        }
    return 0;
}

int vector_set_make(struct vector_set *set, const struct vector_spec *spec, unsigned threads,
                    char out_detail[static VECTOR_DETAIL_SIZE])
{
    *set = (struct vector_set){.spec = *spec};
    int err =
        spec->dataset[0] != 0 ? vector_file_fill(set, out_detail) : set_synthesize(set, threads);
    if (err == 0)
        err = set_norms(set, threads, out_detail);
    if (err == ERR_OUT_OF_MEMORY)
        (void)snprintf(out_detail, VECTOR_DETAIL_SIZE,
                       "out of memory for %llu vectors of %zu elements; lower --vectors or --dim",
                       (unsigned long long)set->spec.n, set->spec.dim);
    return err;
}

void vector_set_deinit(struct vector_set *set)
{
    mem_free(set->rows);
    mem_free(set->queries);
    mem_free(set->norms);
    mem_free(set->query_norms);
    *set = (struct vector_set){.rows = NULL};
}

double vector_uniform(const struct vector_set *set, uint64_t i)
{
    return (double)(rng_mix(rng_mix(set->spec.seed ^ 0x756e69u) + i * 0x9e3779b97f4a7c15u) >> 11) *
           0x1p-53;
}

bool vector_matches(const struct vector_set *set, uint64_t i)
{
    return set->spec.selectivity >= 1 || vector_uniform(set, i) < set->spec.selectivity;
}

double vector_distance(const struct vector_set *set, uint64_t q, uint64_t i)
{
    const float *a = vector_query(set, q), *b = vector_row(set, i);
    if (set->spec.metric == VECTOR_L2)
        return sqrt((double)vector_kernel_l2(a, b, set->spec.dim));
    double dot = (double)vector_kernel_dot(a, b, set->spec.dim);
    if (set->spec.metric == VECTOR_DOT)
        return -dot;
    return 1 - dot / ((double)set->query_norms[q] * (double)set->norms[i]);
}
