/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Turns options into a plan.
 *
 * How: values are checked one by one when they are parsed; here is what depends on more than one.
 *
 * Invariants: every thread has at least one connection.
 * Threads: any; no state. Failures: ERR_BAD_ARGUMENT and a sentence.
 */
#include "client/loadgen/plan.h"

#include "common/err.h"

#include <stdio.h>
#include <string.h>

/* In flight at the same time: bounds the memory for stamps (48 bytes each). */
enum { PLAN_IN_FLIGHT_MAX = 16 * 1024 * 1024 };

enum { PLAN_CONNECTIONS_MAX = 60000, PLAN_RATE_MAX = 100000000, PLAN_NAME_SIZE = 40 };

#define PLAN_KEYS_MAX INT64_C(1000000000000)

enum { PLAN_NAMES_MAX = 160 }; /* bytes of a sentence in which names of tests are listed */

enum { PLAN_VERIFY_BYTES = 64 }; /* of values that are checked, unless -d says otherwise */

enum { PLAN_STEADY_MS = 30000, PLAN_PRECISE_MS = 300000 }; /* bounds of --warmup auto, --until-ci */

/* Too small to be checked? Distributions are cut off where values are large enough. */
static bool plan_too_small(const struct sizes *sizes)
{
    bool cut = sizes->kind != SIZES_UNIFORM && sizes->kind != SIZES_LIST;
    return (cut ? sizes->max : sizes->min) < VALUE_HEAD;
}

/* "-n", "--duration". */
static const char *plan_spelling(const struct options_row *row, char *out, size_t size)
{
    if (row->letter != 0)
        (void)snprintf(out, size, "-%c", row->letter);
    else
        (void)snprintf(out, size, "--%s", row->name);
    return out;
}

static int plan_check_clash(const struct options *options, char *out_detail)
{
    const struct options_row *a, *b;
    char first[PLAN_NAME_SIZE], second[PLAN_NAME_SIZE];
    if (!options_clash(options, &a, &b))
        return 0;
    (void)snprintf(out_detail, PLAN_DETAIL_SIZE, "give %s or %s, not both",
                   plan_spelling(a, first, sizeof first), plan_spelling(b, second, sizeof second));
    return ERR_BAD_ARGUMENT;
}

/* Ways to say what is sent, of which only one can be meant. */
static unsigned plan_ways(const struct options *options)
{
    return (options->n_words > 0) + (options->mix[0] != 0) + (options->script[0] != 0) +
           options->command + options->given[OPTIONS_tests];
}

static bool plan_is_durability(const char *label)
{
    static const char *const labels[] = {"", "memory", "buffered", "strict"};
    for (size_t i = 0; i < LENGTH_OF(labels); i++)
        if (strcmp(labels[i], label) == 0)
            return true;
    return false;
}

static bool plan_is_open(const struct options *options)
{
    return options->rate > 0 || options->ramp[0] != 0;
}

/* What goes wrong over time: think time, bursts and ramps. NULL: nothing. */
static const char *plan_mistimed(const struct options *options)
{
    bool ramp = options->ramp[0] != 0, burst = options->burst[0] != 0;
    bool think = options->think[0] != 0;
    if (think && (plan_is_open(options) || options->knee))
        return "--think is the time from a reply to the next request: give no --rate, no "
               "--ramp and no --knee";
    if (think && options->keepalive == 0)
        return "--think is of users who stay: give no -k 0";
    if (ramp && (options->given[OPTIONS_rate] || options->knee))
        return "--ramp says the rate itself: give no --rate and no --knee";
    if (ramp && burst)
        return "give --ramp or --burst, not both";
    if (ramp && (options->warmup != 0 || options->until_ci > 0 || options->until_ci_p99 > 0))
        return "--ramp is never steady: give no --warmup and no --until-ci";
    if ((ramp || burst) && options->max_backlog > 0)
        return "--max-backlog is of an even rate: give no --burst and no --ramp";
    if (burst && options->rate <= 0 && !options->knee)
        return "--burst is about requests that are due: give --rate, their mean";
    return NULL;
}

static bool plan_climbs(const struct options *options)
{
    return options->given[OPTIONS_clients_start] || options->given[OPTIONS_clients_step] ||
           options->given[OPTIONS_step_duration];
}

/* What does not go with a staircase of connections, or is missing. NULL: nothing. */
static const char *plan_misstepped(const struct options *options)
{
    bool all = options->given[OPTIONS_clients_start] && options->given[OPTIONS_clients_step] &&
               options->given[OPTIONS_step_duration];
    if (!plan_climbs(options))
        return NULL;
    if (!all)
        return "give --clients-start, --clients-step and --step-duration together; -c is where the "
               "connections end";
    if (options->clients_start > options->connections)
        return "--clients-start must be at most -c, where the connections end";
    if (options->threads > options->clients_start)
        return "each thread has a connection from the beginning: --threads must be at most "
               "--clients-start";
    if ((options->connections - options->clients_start) / options->clients_step >= STAIRS_STEPS_MAX)
        return "that are over 50 steps: give a larger --clients-step";
    if (options->warmup != 0 || options->until_ci > 0 || options->until_ci_p99 > 0)
        return "a load that grows is never steady: give no --warmup and no --until-ci with "
               "--clients-start";
    if (options->knee)
        return "--knee is of a load that stays: give no --clients-start";
    if (options->rate_limiting > 0)
        return "--rate-limiting is of each connection, and their number grows: give --rate with "
               "--clients-start, or none";
    return NULL;
}

/* Runs as long as its steps take together, unless something else is said. */
static void plan_set_stairs(struct plan *plan, const struct options *options)
{
    plan->stairs = (struct stairs){.start = plan->connections, .top = plan->connections};
    if (!plan_climbs(options))
        return;
    plan->stairs.start = (unsigned)options->clients_start;
    plan->stairs.step = (unsigned)options->clients_step;
    plan->stairs.each_ns = (uint64_t)options->step_duration * 1000000u;
    if (plan->duration_ns == 0 && !options->given[OPTIONS_requests]) {
        plan->requests = UINT64_MAX;
        plan->duration_ns = stairs_length_ns(&plan->stairs);
    }
}

static int plan_check_options(const struct options *options, char *out_detail)
{
    const char *wrong = NULL;
    if (options->connections > PLAN_CONNECTIONS_MAX)
        wrong = "--clients-per-thread times --threads must be at most 60000";
    else if (options->rate > PLAN_RATE_MAX)
        wrong = "--rate-limiting times the connections must be at most 100000000";
    else if (options->given[OPTIONS_key_maximum] && options->key_maximum < options->key_minimum)
        wrong = "--key-maximum must be at least --key-minimum";
    else if (options->given[OPTIONS_key_minimum] && options->keyspace == 0)
        wrong = "--key-minimum is the first of several keys: give --key-maximum or -r";
    else if (options->key_minimum + options->keyspace > PLAN_KEYS_MAX)
        wrong = "keys are numbers of 12 digits: --key-minimum and -r are together too much";
    else if (options->given[OPTIONS_key_minimum] && options->key_file[0] != 0)
        wrong = "the keys are those of --key-file: give no --key-minimum";
    else if (options->connections * options->pipeline > PLAN_IN_FLIGHT_MAX)
        wrong = "-c times -P must be at most 16777216";
    else if (options->quiet && options->json)
        wrong = "give -q or --json, not both";
    else if (options->keepalive == 0 && plan_is_open(options))
        wrong = "-k 0 opens a connection when the last is done with: give no --rate";
    else if (options->csv && options->json)
        wrong = "give --csv or --json, not both";
    else if (options->verify && options->given[OPTIONS_size] && plan_too_small(&options->size))
        wrong = "--verify needs values of at least 34 bytes: -d 34";
    else if (!plan_is_durability(options->durability))
        wrong = "--durability takes memory, buffered or strict";
    else if (options->ack_log[0] != 0 && !options->verify)
        wrong = "--ack-log needs values that tell what they are: --verify";
    else if (options->given[OPTIONS_overload] && !plan_is_open(options))
        wrong = "--overload is about requests that are due: give --rate";
    else if (options->max_backlog > 0 && !plan_is_open(options))
        wrong = "--max-backlog is about requests that are due: give --rate";
    else if (options->max_backlog > 0 && options->given[OPTIONS_overload] &&
             strcmp(options->overload, "queue") == 0)
        wrong = "--overload queue lets all wait: give no --max-backlog, or drop or abort";
    else if (plan_is_open(options) && strcmp(options->pipeline_mode, "window") != 0)
        wrong = "--rate sends each request when it is due: give no --pipeline-mode batch";
    else if (!(options->zipf_exponent > 0))
        wrong = "--key-zipf-exp must be above 0; for 0 there is --key-pattern uniform";
    else if (plan_ways(options) > 1 &&
             !(options->n_words > 0 && plan_ways(options) == 2 && options->given[OPTIONS_tests]))
        wrong = "give one of -t, --mix, --script, --command and a request of your own";
    else if (options->key_file[0] != 0 &&
             (options->given[OPTIONS_keyspace] || options->given[OPTIONS_key_maximum]))
        wrong = "the keys are those of --key-file: give no -r and no --key-maximum";
    else if (options->key_file[0] != 0 && options->given[OPTIONS_key_prefix])
        wrong = "the lines of --key-file are whole keys: give no --key-prefix";
    else if (options->key_size.max > 0 && options->key_file[0] != 0)
        wrong = "the lines of --key-file are whole keys: give no --key-size";
    else if (options->key_size.max > 0 && options->ack_log[0] != 0)
        wrong = "--ack-log knows keys by prefix and number: give no --key-size";
    else if (options->key_size.max > 0 &&
             (size_t)options->key_size.min < strlen(options->key_prefix) + COMMAND_KEY_SIZE)
        wrong = "--key-size must be at least the length of --key-prefix and 12 digits";
    else if (options->ack_log[0] != 0 && (options->key_file[0] != 0 || options->compress > 0))
        wrong = "--ack-log knows keys by their numbers, and plain values: give no --key-file and "
                "no --compress-ratio";
    else if (options->compress > 0 && options->compress < 1)
        wrong = "--compress-ratio must be at least 1: by how much values can be compressed";
    else if (options->given[OPTIONS_verify_sample] && !(options->verify_sample > 0))
        wrong = "--verify-sample must be above 0";
    else if (options->hotspot.write > 100 || options->hotspot.read > 100)
        wrong = "--hotspot takes two percentages, as 20:80";
    if (wrong == NULL)
        return plan_check_clash(options, out_detail);
    (void)snprintf(out_detail, PLAN_DETAIL_SIZE, "%s", wrong);
    return ERR_BAD_ARGUMENT;
}

static const char *const plan_patterns[] = {
    [STREAM_UNIFORM] = "uniform",
    [STREAM_SEQUENTIAL] = "sequential",
    [STREAM_ZIPF] = "zipf",
    [STREAM_HOTSPOT] = "hotspot",
    [STREAM_LATEST] = "latest",
    [STREAM_GAUSSIAN] = "gaussian",
    [STREAM_PARTITIONED] = "partitioned",
    [STREAM_SINGLE] = "single",
};

const char *plan_pattern_name(enum stream_pattern pattern)
{
    return plan_patterns[pattern];
}

/* "Z", or for writes and reads "Z:Z", as memtier has it. */
static bool plan_is_letter(const char *name, char letter)
{
    const char both[] = {letter, ':', letter, 0};
    return strcmp(name, both) == 0 || (name[0] == letter && name[1] == 0);
}

/* A pattern by its name, or by a letter, most of them memtier's. */
static int plan_pattern(const char *name, enum stream_pattern *out, char *out_detail)
{
    static const char letters[] = {'R', 'S', 'Z', 'H', 'L', 'G', 'P', '1'};
    for (size_t i = 0; i < LENGTH_OF(plan_patterns); i++)
        if (strcmp(name, plan_patterns[i]) == 0 || plan_is_letter(name, letters[i])) {
            *out = (enum stream_pattern)i;
            return 0;
        }
    (void)snprintf(out_detail, PLAN_DETAIL_SIZE,
                   "unknown --key-pattern '%.32s'; there are uniform, sequential, zipf, hotspot, "
                   "latest, gaussian, partitioned and single, for writes and reads alike",
                   name);
    return ERR_BAD_ARGUMENT;
}

/* One of two words; *out is whether it is the second. */
static int plan_choice(const char *option, const char *word, const char *first, const char *second,
                       bool *out, char *out_detail)
{
    *out = strcmp(word, second) == 0;
    if (*out || strcmp(word, first) == 0)
        return 0;
    (void)snprintf(out_detail, PLAN_DETAIL_SIZE, "--%s %.32s: must be %s or %s", option, word,
                   first, second);
    return ERR_BAD_ARGUMENT;
}

static int plan_overload(const char *word, enum plan_overload *out, char *out_detail)
{
    static const char *const words[] = {
        [PLAN_OVERLOAD_QUEUE] = "queue",
        [PLAN_OVERLOAD_DROP] = "drop",
        [PLAN_OVERLOAD_ABORT] = "abort",
    };
    for (size_t i = 0; i < LENGTH_OF(words); i++)
        if (strcmp(word, words[i]) == 0) {
            *out = (enum plan_overload)i;
            return 0;
        }
    (void)snprintf(out_detail, PLAN_DETAIL_SIZE, "--overload %.32s: must be queue, drop or abort",
                   word);
    return ERR_BAD_ARGUMENT;
}

/* Who thinks, and how the rate goes. What is in flight on a connection of one who thinks is sent
 * together. A ramp lasts as long as it says, unless something else does. */
static int plan_set_times(struct plan *plan, const struct options *options, char *out_detail)
{
    struct schedule_law *law = &plan->over_time;
    const char *wrong = plan_mistimed(options);
    wrong = wrong == NULL ? plan_misstepped(options) : wrong;
    bool burst = options->burst[0] != 0, ramp = options->ramp[0] != 0;
    if (wrong == NULL && think_parse(options->think, &plan->think) != 0)
        wrong = "--think takes a time, as 500ms, 100ms-2s, exponential:1s or lognormal:2s,1";
    if (wrong == NULL && burst && schedule_read_burst(options->burst, law) != 0)
        wrong = "--burst takes two times, of requests and of none, as 1s:4s";
    if (wrong == NULL && ramp && schedule_read_ramp(options->ramp, law) != 0)
        wrong = "--ramp takes two rates, the second above 0, and a time, as 100:2000:30s";
    if (wrong != NULL) {
        (void)snprintf(out_detail, PLAN_DETAIL_SIZE, "%s", wrong);
        return ERR_BAD_ARGUMENT;
    }
    plan->batch = plan->batch || plan->think.kind != THINK_NEVER;
    plan_set_stairs(plan, options);
    if (!ramp)
        return 0;
    plan->rate = law->rate;
    if (plan->duration_ns == 0 && !options->given[OPTIONS_requests]) {
        plan->requests = UINT64_MAX;
        plan->duration_ns = law->ramp_ns;
    }
    return 0;
}

struct schedule_law plan_law(const struct plan *plan)
{
    struct schedule_law law = plan->over_time;
    law.rate = plan->rate;
    law.poisson = plan->poisson;
    return law;
}

static void plan_set_keyspace(struct plan *plan, const struct options *options, uint64_t keys)
{
    bool middle = !options->given[OPTIONS_key_median];
    plan->keys = keys;
    plan->key_median =
        middle ? (double)keys / 2 : options->key_median - (double)options->key_minimum;
    plan->key_deviation = options->key_stddev > 0 ? options->key_stddev : (double)keys / 6;
}

/* What stands for __key__: prefix, digits, and what makes it as long as --key-size says; a hole, if
 * that differs. */
static void plan_set_key(struct plan *plan, const struct options *options)
{
    const struct sizes *sizes = &options->key_size;
    if (sizes->min < sizes->max) {
        plan->key_span =
            (struct keys_span){options->key_prefix, (size_t)sizes->min, (size_t)sizes->max};
        (void)snprintf(plan->key, sizeof plan->key, "%s", COMMAND_KEY_ITSELF);
        return;
    }
    (void)snprintf(plan->key, sizeof plan->key, "%s%s", options->key_prefix, COMMAND_DIGITS);
    size_t size = strlen(plan->key);
    while (size < (size_t)sizes->max && size + 1 < sizeof plan->key)
        plan->key[size++] = 'x';
    plan->key[size] = 0;
}

/* Which values are checked, and how large they must be for that. */
static void plan_set_verify(struct plan *plan, const struct options *options)
{
    bool sample = options->given[OPTIONS_verify_sample] && !options->verify;
    plan->verify = options->verify || sample;
    plan->verify_skip = sample ? 1 - options->verify_sample / 100 : 0;
    if (!plan->verify)
        return;
    if (!options->given[OPTIONS_size] && plan_too_small(&options->size))
        plan->value_bytes = plan->value_min = PLAN_VERIFY_BYTES;
    else if (plan->value_min < VALUE_HEAD)
        plan->value_min = VALUE_HEAD;
}

/* --ratio, if it is given: does anything go by it? */
static int plan_check_ratio(const struct options *options, const struct plan *plan,
                            char *out_detail)
{
    bool used = !options->given[OPTIONS_ratio];
    bool own =
        options->n_words > 0 || options->mix[0] != 0 || options->script[0] != 0 || options->command;
    for (unsigned i = 0; i < WORKLOAD_COUNT && !own; i++)
        used = used || (plan->tests[i] && workload_mixes(&workload_table[i]) &&
                        workload_table[i].weights[0] == 0);
    if (used)
        return 0;
    (void)snprintf(
        out_detail, PLAN_DETAIL_SIZE,
        "--ratio is of tests that mix two kinds of requests: give it alone, or -t mixed");
    return ERR_BAD_ARGUMENT;
}

/* Threads and CPUs, and what depends on nothing but its own option. */
static int plan_set_others(struct plan *plan, const struct options *options, char *out_detail)
{
    plan->each_thread = (unsigned)options->clients_per_thread;
    plan->each_rate = options->rate_limiting;
    plan->first_key = (uint64_t)options->key_minimum;
    plan->busy_poll_ns = (uint64_t)options->busy_poll * 1000u;
    plan->more_percentiles = options->given[OPTIONS_percentiles];
    int err = percentiles_parse(options->percentiles, &plan->percentiles, out_detail);
    if (err == 0)
        err = pin_parse(options->pin, &plan->pin, out_detail);
    if (plan->pin.client.n > 0)
        plan->cpus = plan->pin.client.n;
    return err != 0 ? err : plan_check_ratio(options, plan, out_detail);
}

static uint64_t plan_ns(int64_t ms)
{
    return (uint64_t)ms * 1000000u;
}

int plan_make(const struct options *options, unsigned cpus, struct plan *out,
              char out_detail[static PLAN_DETAIL_SIZE])
{
    int64_t connections = options->connections;
    struct plan plan = {
        .preload = options->preload != OPTIONS_NONE,
        .preload_keys = options->preload > 0 ? (uint64_t)options->preload : 0,
        .threads = (unsigned)(options->threads < connections ? options->threads : connections),
        .connections = (unsigned)connections,
        .pipeline = (unsigned)options->pipeline,
        .cpus = cpus,
        .requests = options->duration > 0 ? UINT64_MAX : (uint64_t)options->requests,
        .duration_ns = plan_ns(options->duration),
        .until_steady = options->warmup == OPTIONS_AUTO,
        .warmup_ns = plan_ns(options->warmup == OPTIONS_AUTO ? PLAN_STEADY_MS : options->warmup),
        .ci_rate = options->until_ci / 100,
        .ci_p99 = options->until_ci_p99 / 100,
        .timeout_ns = plan_ns(options->timeout),
        .seed = (uint64_t)options->seed,
        .ratio = options->ratio,
        .value_bytes = (size_t)options->size.max,
        .value_min = (size_t)options->size.min,
        .sizes = options->size,
        .zipf_exponent = options->zipf_exponent,
        .hotspot = options->hotspot,
        .compress = options->compress,
        .expects_hits = options->given[OPTIONS_expect_hits],
        .expect_hits = options->expect_hits / 100,
        .keys_check = options->keys_check,
        .rate = options->rate,
        .drain_ns = plan_ns(options->drain),
        .backlog = (uint64_t)options->max_backlog,
        .reconnect = options->keepalive == 0,
        .digest = options->digest,
        .durability = options->durability,
    };
    if ((plan.ci_rate > 0 || plan.ci_p99 > 0) && plan.duration_ns == 0 &&
        !options->given[OPTIONS_requests]) {
        plan.requests = UINT64_MAX;
        plan.duration_ns = plan_ns(PLAN_PRECISE_MS);
    }
    plan_set_keyspace(&plan, options, options->keyspace > 0 ? (uint64_t)options->keyspace : 1);
    plan_set_verify(&plan, options);
    plan_set_key(&plan, options);
    int err = plan_check_options(options, out_detail);
    if (err == 0)
        err = plan_choice("arrival", options->arrival, "constant", "poisson", &plan.poisson,
                          out_detail);
    if (err == 0)
        err = plan_choice("pipeline-mode", options->pipeline_mode, "window", "batch", &plan.batch,
                          out_detail);
    if (err == 0)
        err = plan_set_times(&plan, options, out_detail);
    if (err == 0)
        err = plan_overload(options->overload, &plan.overload, out_detail);
    if (plan.backlog > 0 && !options->given[OPTIONS_overload])
        plan.overload = PLAN_OVERLOAD_DROP;
    if (err == 0)
        err = plan_pattern(options->key_pattern, &plan.pattern, out_detail);
    if (err == 0)
        err = workload_select(options->tests, plan.tests, out_detail);
    if (err == 0)
        err = vector_plan_make(options, &plan.vectors, out_detail);
    if (err == 0)
        err = plan_set_others(&plan, options, out_detail);
    if (err == 0)
        *out = plan;
    return err;
}

void plan_set_own(struct plan *plan, const struct workload *own)
{
    plan->own = own;
    memset(plan->tests, 0, sizeof plan->tests);
}

void plan_set_keys(struct plan *plan, const struct options *options, const struct keys *list)
{
    plan->list = list;
    (void)snprintf(plan->key, sizeof plan->key, "%s", COMMAND_KEY_ITSELF);
    plan_set_keyspace(plan, options, list->n);
}

bool plan_has(const struct plan *plan, enum shape_flag flag)
{
    for (unsigned i = 0; i < WORKLOAD_COUNT; i++)
        if (plan->tests[i] && workload_has(&workload_table[i], flag))
            return true;
    return plan->own != NULL && workload_has(plan->own, flag);
}

bool plan_needs(const struct plan *plan, enum preload what)
{
    for (unsigned i = 0; i < WORKLOAD_COUNT; i++)
        if (plan->tests[i] && workload_needs(&workload_table[i], what))
            return true;
    return plan->own != NULL && workload_needs(plan->own, what);
}

void plan_set_vectors(struct plan *plan, const struct vector_set *set,
                      const struct vector_oracle *oracle)
{
    plan->vectors.set = set;
    plan->vectors.oracle = oracle;
    plan->keys = set->spec.n;
}

int plan_check(const struct plan *plan, char out_detail[static PLAN_DETAIL_SIZE])
{
    const char *wrong = NULL;
    bool partitioned = plan->pattern == STREAM_PARTITIONED;
    if (partitioned && plan->keys < plan->connections)
        wrong = "--key-pattern partitioned gives each connection keys of its own: -r must be at "
                "least -c";
    else if (partitioned && plan->digest)
        wrong = "with --key-pattern partitioned it is the server that decides which connection "
                "sends how much: give no --digest";
    else if (plan->verify && plan_has(plan, SHAPE_COPIES))
        wrong = "a value that is copied (__reply__) belongs to another key: give no --verify";
    else if (plan->verify && plan_has(plan, SHAPE_SESSIONS))
        wrong = "--verify knows the values of keys, not the states of sessions: give no --verify";
    else if (plan->verify && plan_has(plan, SHAPE_VECTORS))
        wrong = "--verify knows the values of keys, not vectors: give no --verify";
    else if (plan->list != NULL && plan_has(plan, SHAPE_VECTORS))
        wrong = "keys of vectors are numbers: give no --key-file";
    else if (plan->key_span.max > 0 && plan_has(plan, SHAPE_VECTORS))
        wrong = "keys of vectors are prefix and number: give no --key-size";
    else if (plan->first_key > 0 && plan_has(plan, SHAPE_VECTORS))
        wrong = "keys of vectors are numbers from 0 on: give no --key-minimum";
    else if (plan->list != NULL && plan_has(plan, SHAPE_INSERTS))
        wrong = "inserts need new keys, and --key-file has no more: give no --key-file";
    else if (plan->preload_keys > plan->keys)
        wrong = "--preload=N writes the first N keys: -r must be at least that";
    if (wrong == NULL)
        return 0;
    (void)snprintf(out_detail, PLAN_DETAIL_SIZE, "%s", wrong);
    return ERR_BAD_ARGUMENT;
}

unsigned plan_share(unsigned connections, unsigned thread, unsigned threads)
{
    return connections / threads + (thread < connections % threads ? 1 : 0);
}

unsigned plan_connections(const struct plan *plan, unsigned thread)
{
    return plan_share(plan->connections, thread, plan->threads);
}

/* There is nothing this driver can send. Names the tests, as far as there is room. */
static int plan_mute(const struct plan *plan, const bool asked[static WORKLOAD_COUNT],
                     char *out_detail)
{
    int at =
        snprintf(out_detail, PLAN_DETAIL_SIZE, "none of these tests can be run in protocol %s%s",
                 plan->driver->name, plan->own != NULL ? ": " : "");
    if (plan->own != NULL)
        at += snprintf(out_detail + at, PLAN_DETAIL_SIZE - (size_t)at, "%.60s", plan->own->title);
    for (unsigned i = 0, n = 0; i < WORKLOAD_COUNT && at < PLAN_NAMES_MAX; i++)
        if (asked[i])
            at += snprintf(out_detail + at, PLAN_DETAIL_SIZE - (size_t)at, "%s%s",
                           n++ == 0 ? ": " : ", ", workload_table[i].name);
    (void)snprintf(out_detail + at, PLAN_DETAIL_SIZE - (size_t)at, "%s; --help lists all",
                   at < PLAN_NAMES_MAX ? "" : " ...");
    return ERR_BAD_ARGUMENT;
}

int plan_check_words(const struct plan *plan, char out_detail[static PLAN_DETAIL_SIZE])
{
    const char *word = plan->own == NULL || plan->driver->knows == NULL
                           ? NULL
                           : workload_unknown_word(plan->own, plan->driver->knows);
    if (word == NULL)
        return 0;
    (void)snprintf(out_detail, PLAN_DETAIL_SIZE,
                   "protocol %s has no operation '%.40s': write one of cairn-commands(7), as "
                   "kv.put, or send it to listen.resp, with --protocol resp2",
                   plan->driver->name, word);
    return ERR_BAD_ARGUMENT;
}

int plan_use(struct plan *plan, const struct driver *driver,
             char out_detail[static PLAN_DETAIL_SIZE])
{
    bool asked[WORKLOAD_COUNT];
    bool any = plan->own != NULL;
    bool left = any && workload_speaks(plan->own, driver->spelling);
    memcpy(asked, plan->tests, sizeof asked);
    plan->driver = driver;
    for (unsigned i = 0; i < WORKLOAD_COUNT; i++) {
        any = any || asked[i];
        plan->tests[i] = asked[i] && workload_speaks(&workload_table[i], driver->spelling);
        left = left || plan->tests[i];
    }
    return left || !any ? 0 : plan_mute(plan, asked, out_detail);
}

/* A number for each test, the same whatever other tests there are (FNV-1a). */
static uint64_t plan_number(const struct workload *workload)
{
    uint64_t number = 0xcbf29ce484222325u;
    for (const char *c = workload->name; *c != 0; c++)
        number = (number ^ (uint8_t)*c) * 0x100000001b3u;
    return number;
}

static void plan_set_pattern(const struct plan *plan, struct stream *stream)
{
    stream->pattern = plan->pattern;
    if (plan->pattern == STREAM_ZIPF)
        stream_set_zipf(stream, plan->zipf_exponent);
    else if (plan->pattern == STREAM_HOTSPOT)
        stream_set_hotspot(stream, plan->hotspot.write / 100.0, plan->hotspot.read / 100.0);
    else if (plan->pattern == STREAM_LATEST)
        stream_set_latest(stream, plan->zipf_exponent);
    else if (plan->pattern == STREAM_GAUSSIAN)
        stream_set_gaussian(stream, plan->key_median, plan->key_deviation);
    stream->parts = plan->connections;
}

/* New keys come behind those of the keyspace; those of a warm-up are no concern of the test. */
static void plan_set_growth(const struct plan *plan, bool warmup, struct stream *stream)
{
    stream->grows = true;
    stream->first_insert = plan->keys + (warmup ? FRAME_KEYS / 2 : 0);
}

/* How often each shape comes. */
static void plan_set_weights(const struct plan *plan, const struct workload *workload,
                             struct stream *stream)
{
    const uint32_t ratio[] = {plan->ratio.write, plan->ratio.read};
    bool own = workload->weights[0] > 0;
    stream_set_weights(stream, own ? workload->weights : ratio, workload->n_shapes);
}

struct stream plan_stream(const struct plan *plan, const struct workload *workload, bool warmup)
{
    struct stream stream;
    uint64_t test = plan_number(workload) + (warmup ? 1 : 0);
    stream_init(&stream, rng_mix(plan->seed + rng_mix(test)), plan->keys);
    stream.first = plan->first_key;
    plan_set_pattern(plan, &stream);
    if (workload_mixes(workload))
        plan_set_weights(plan, workload, &stream);
    if ((workload->shapes[0]->flags & SHAPE_INSERTS) != 0)
        plan_set_growth(plan, warmup, &stream);
    return stream;
}

double plan_key_mean(const struct plan *plan)
{
    return plan->key_span.max > 0 ? (double)(plan->key_span.min + plan->key_span.max) / 2
                                  : (double)strlen(plan->key);
}

uint64_t plan_preload_keys(const struct plan *plan)
{
    return plan->preload_keys > 0 ? plan->preload_keys : plan->keys;
}

struct stream plan_preload_stream(const struct plan *plan)
{
    struct stream stream;
    stream_init(&stream, plan->seed, plan->keys);
    stream.first = plan->first_key;
    stream.pattern = STREAM_SEQUENTIAL;
    return stream;
}

struct stream plan_sample_stream(const struct plan *plan)
{
    struct stream stream;
    stream_init(&stream, rng_mix(plan->seed), plan->keys);
    stream.first = plan->first_key;
    if (plan->keys <= PLAN_SAMPLE)
        stream.pattern = STREAM_SEQUENTIAL;
    return stream;
}
