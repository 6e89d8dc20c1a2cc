/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The plan of a run: what the options come to, before anything is connected.
 */
#pragma once

#include "client/loadgen/driver.h"
#include "client/loadgen/options.h"
#include "client/loadgen/percentiles.h"
#include "client/loadgen/pin.h"
#include "client/loadgen/schedule.h"
#include "client/loadgen/stairs.h"
#include "client/loadgen/stream.h"
#include "client/loadgen/think.h"
#include "client/loadgen/vector_plan.h"

/* Open loop: what becomes of a request that finds no connection when it is due. */
enum plan_overload {
    PLAN_OVERLOAD_QUEUE, /* it waits */
    PLAN_OVERLOAD_DROP,  /* it is not sent */
    PLAN_OVERLOAD_ABORT, /* the test ends */
};

enum { PLAN_KEY_SIZE = 1024 };

struct plan {
    const struct driver *driver; /* NULL until plan_use */
    bool tests[WORKLOAD_COUNT];  /* which tests to run, in the order of the table */
    const struct workload *own;  /* the only test, made on the command line; NULL: those above */
    bool preload;
    uint64_t preload_keys; /* the first of them; 0: all */
    unsigned threads;      /* at most one for each connection */
    unsigned connections;
    struct stairs stairs; /* how many of them are used */
    unsigned pipeline;
    unsigned each_thread;  /* connections, if they were given for one thread; else 0 */
    unsigned cpus;         /* this process may run on */
    struct pin pin;        /* of these, those that threads run on */
    uint64_t busy_poll_ns; /* look so long for replies before sleeping */
    uint64_t requests;     /* of each test; UINT64_MAX: until duration_ns is over */
    uint64_t duration_ns;  /* 0: until `requests` are done */
    uint64_t warmup_ns;    /* at most, if until_steady; 0: none */
    bool until_steady;     /* end the warm-up when the load is steady */
    double ci_rate;        /* end a test when these are known so well: relative half widths of */
    double ci_p99;         /* confidence intervals; 0: not asked for */
    uint64_t timeout_ns;
    uint64_t seed;
    uint64_t keys;             /* at least 1 */
    uint64_t first_key;        /* its number; others follow */
    char key[PLAN_KEY_SIZE];   /* the word that stands for __key__; "": the usual one */
    const struct keys *list;   /* of --key-file; NULL: keys are digits */
    struct keys_span key_span; /* those are of different lengths; max 0: of one */
    struct ratio ratio;
    size_t value_bytes; /* of the largest value */
    size_t value_min;   /* of the smallest */
    struct sizes sizes; /* how often values have which size, if of more than one */
    enum stream_pattern pattern;
    double zipf_exponent;
    struct ratio hotspot;             /* percent of the keys, percent of the requests */
    double key_median, key_deviation; /* Gaussian */
    double compress; /* values are random bytes that can be compressed so much; 0: printable */
    bool verify;
    double verify_skip; /* of the values that are read so many are not checked, 0..1 */
    bool expects_hits;  /* it was said how many reads should find their key: */
    double expect_hits; /* this share, 0..1 */
    bool keys_check;    /* before the tests, see whether keys are there */
    double rate;        /* requests a second, open loop; 0: closed loop */
    double each_rate;   /* the same of one connection, if it was given for one; else 0 */
    bool poisson;
    struct schedule_law over_time; /* bursts, a ramp; see plan_law */
    struct think think;            /* closed loop: time between a reply and the next request */
    bool batch;                    /* wait for all replies before sending again */
    bool reconnect;                /* on a new connection */
    uint64_t drain_ns;
    enum plan_overload overload;
    uint64_t backlog;       /* which takes only what this many have come due behind; 0: all */
    bool digest;            /* of the requests */
    const char *durability; /* what the server is said to promise; "" or NULL: nothing */
    struct percentiles percentiles; /* of the summary */
    bool more_percentiles;          /* they were asked for: they are elsewhere as well */
    struct vector_plan vectors;
    const struct acks *acks; /* where acknowledgements are kept; NULL: nowhere */
};

enum { PLAN_DETAIL_SIZE = OPTIONS_DETAIL_SIZE };

/* Work out the plan for this many CPUs. 0, or ERR_BAD_ARGUMENT with a sentence in out_detail. */
MUST_USE int plan_make(const struct options *options, unsigned cpus, struct plan *out,
                       char out_detail[static PLAN_DETAIL_SIZE]);

/* Run this test alone; it must live as long. */
void plan_set_own(struct plan *plan, const struct workload *own);

/* Use these keys, which must live as long, instead of numbers. */
void plan_set_keys(struct plan *plan, const struct options *options, const struct keys *list);

/* Use these vectors, and what should be found among them (NULL: nobody asks). */
void plan_set_vectors(struct plan *plan, const struct vector_set *set,
                      const struct vector_oracle *oracle);

/* What depends on what was set. 0, or ERR_BAD_ARGUMENT with a sentence. */
MUST_USE int plan_check(const struct plan *plan, char out_detail[static PLAN_DETAIL_SIZE]);

/* The server speaks this: leave out tests it has no requests for. 0, or ERR_BAD_ARGUMENT with a
 * sentence: none is left. */
MUST_USE int plan_use(struct plan *plan, const struct driver *driver,
                      char out_detail[static PLAN_DETAIL_SIZE]);

/* Can the requests that were written out begin as they do, in the protocol of the driver? 0, or
 * ERR_BAD_ARGUMENT with a sentence. */
MUST_USE int plan_check_words(const struct plan *plan, char out_detail[static PLAN_DETAIL_SIZE]);

/* The mean length of the keys that are numbers. */
double plan_key_mean(const struct plan *plan);

/* How many keys --preload writes. */
uint64_t plan_preload_keys(const struct plan *plan);

/* Has any of the tests requests that need these to be there? */
bool plan_needs(const struct plan *plan, enum preload what);

/* Has any of the tests this flag? */
bool plan_has(const struct plan *plan, enum shape_flag flag);

/* How the requests of an open loop follow each other. */
struct schedule_law plan_law(const struct plan *plan);

/* The name of a pattern of keys. */
const char *plan_pattern_name(enum stream_pattern pattern);

/* Of so many connections, those of thread number `thread`: as equal as can be, together all. */
unsigned plan_share(unsigned connections, unsigned thread, unsigned threads);
unsigned plan_connections(const struct plan *plan, unsigned thread);

/* The stream of requests of a test, and the one that writes every key once. Streams of different
 * tests and the warm-up do not repeat each other. */
struct stream plan_stream(const struct plan *plan, const struct workload *workload, bool warmup);
struct stream plan_preload_stream(const struct plan *plan);

enum { PLAN_SAMPLE = 1000 };

/* The one of --keys-check, which reads at most PLAN_SAMPLE keys: all if there are no more, else
 * some at random. */
struct stream plan_sample_stream(const struct plan *plan);
