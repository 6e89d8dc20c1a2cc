/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Fuzzes the way of a request through the server without a network. The input is read as a list of
 * decisions: which operation, which arguments in which form, when time passes, when an allocation
 * fails. The requests made of them are valid or nearly so; they work on a few keys, so that they
 * meet each other.
 *
 *   input -> request -> rpc_decode -> dispatch_run -> reply, or a job, stepped between others
 *
 * Watches that were opened are pumped now and then, tasks for workers are run now and then, here.
 *
 * Checked: each request gets exactly one well-formed response with its msgid, or a notification
 * none; a write that answers with an error has changed nothing; what the partitions hold stays
 * consistent, and the indexes of vectors with it; jobs and tasks come to an end. A message is freed
 * when its request has run, so that no job can hold on to it.
 */
#include "tests/fuzz/dispatch_world.h"

#include "server/store/vec_value.h"
#include "server/store/vindex.h"

#include <stdlib.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    op_init();
    log_set_level(LOG_LEVEL_ERROR);
    return 0;
}

static void check_error(struct bytes error)
{
    struct mp_reader reader = mp_reader_of(error);
    struct mp mp;
    ok(mp_read(&reader, &mp));
    REQUIRE(mp.kind == MP_STR || mp.kind == MP_MAP);
    if (mp.kind == MP_MAP) { /* {code: ...} */
        REQUIRE(mp.count == 4);
        ok(mp_read(&reader, &mp));
        REQUIRE(bytes_equal(mp.bytes, bytes_of("code")));
        ok(mp_read(&reader, &mp));
        REQUIRE(err_by_name((const char *)mp.bytes.data, mp.bytes.size) != 0);
        return;
    }
    const uint8_t *space = memchr(mp.bytes.data, ' ', mp.bytes.size);
    REQUIRE(space != NULL && mp_utf8_valid(mp.bytes));
    int err = err_by_name((const char *)mp.bytes.data, (unsigned long)(space - mp.bytes.data));
    REQUIRE(err != 0 && err != ERR_INTERNAL);
}

static void begin_output(struct world *w)
{
    w->out.size = 0;
    ok(buf_append(&w->out, "out", BEFORE)); /* earlier replies: never touched */
}

/* The output is one response to this message (or nothing, if none is due). True if an error. */
static bool check_output(struct world *w, uint32_t msgid, bool none)
{
    struct rpc_response response;
    size_t size = 0;
    REQUIRE(w->out.size >= BEFORE && memcmp(w->out.data, "out", BEFORE) == 0);
    if (none) {
        REQUIRE(w->out.size == BEFORE);
        return false;
    }
    struct bytes all = {w->out.data + BEFORE, w->out.size - BEFORE};
    ok(rpc_decode_response(all, &response, &size));
    REQUIRE(size == all.size && response.msgid == msgid);
    if (bytes_equal(response.error, bytes_of("\xc0")))
        return false;
    REQUIRE(bytes_equal(response.result, bytes_of("\xc0")));
    check_error(response.error);
    return true;
}

/* ---- running ---- */

static bool arm_fault(struct world *w)
{
    bool armed = w->faults && once_in(w, 4);
    if (armed)
        mem_fail_after(1 + choose(w, 24), once_in(w, 4));
    return armed;
}

static void finish_job(struct world *w, struct pending *pending)
{
    begin_output(w);
    bool armed = arm_fault(w);
    if (!armed && once_in(w, 8)) { /* the connection is gone */
        dispatch_end_job(&w->env, pending->job, 0);
        return;
    }
    int err = dispatch_finish(&w->env, pending->session, pending->msgid, pending->notification,
                              pending->job, NULL, &w->out);
    mem_fail_after(0, 0);
    REQUIRE(err == 0 || armed);
    (void)check_output(w, pending->msgid, pending->notification || err != 0);
    dispatch_end_job(&w->env, pending->job, w->out.size - BEFORE);
}

static void resume_job(struct job *job)
{
    REQUIRE(job->waits);
    job->waits = false;
}

static void step_jobs(struct world *w)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < w->n_jobs; i++) {
        struct pending pending = w->jobs[i];
        if (pending.job->waits) {
            w->jobs[kept++] = pending;
            continue;
        }
        (void)arm_fault(w);
        bool done = dispatch_step(&w->env, pending.job);
        mem_fail_after(0, 0);
        if (done)
            finish_job(w, &pending);
        else
            w->jobs[kept++] = pending;
    }
    w->n_jobs = kept;
}

static bool run_task(struct world *w)
{
    (void)arm_fault(w);
    bool ran = doubles_run_task(&w->workers, choose(w, WORK_COUNT), choose(w, WORKERS));
    mem_fail_after(0, 0);
    return ran;
}

static void run_tasks(struct world *w)
{
    for (unsigned i = choose(w, 32); i > 0 && run_task(w); i--)
        ;
}

static void run_all_tasks(struct world *w)
{
    for (unsigned i = 0; run_task(w); i++)
        REQUIRE(i < 100000); /* upkeep ends */
}

/* ---- watches ---- */

/* One event; its version is above those before, or the same with a higher index. */
static void check_event(struct mp_reader *reader, uint64_t *version, uint64_t *index)
{
    struct mp map, key, mp;
    uint64_t now = 0, at = 0;
    bool lost = false;
    ok(mp_read(reader, &map));
    REQUIRE(map.kind == MP_MAP);
    for (uint32_t i = 0; i < map.count; i++) {
        ok(mp_read(reader, &key));
        struct mp_reader value = *reader;
        ok(mp_skip(reader, MP_DEPTH_MAX));
        ok(mp_read(&value, &mp));
        if (bytes_equal(key.bytes, bytes_of("version")))
            now = mp.uint;
        else if (bytes_equal(key.bytes, bytes_of("index")))
            at = mp.uint;
        else if (bytes_equal(key.bytes, bytes_of("from_version")))
            lost = true;
    }
    REQUIRE(lost || now > *version || (now == *version && at > *index));
    *version = now;
    *index = at;
}

/* What a pump wrote: nothing, or one notification of this watch. */
static void check_notification(const struct world *w, uint64_t id)
{
    struct mp_reader reader =
        mp_reader_of((struct bytes){w->out.data + BEFORE, w->out.size - BEFORE});
    uint64_t version = 0, index = 0;
    struct mp mp;
    if (mp_at_end(&reader))
        return;
    ok(mp_read(&reader, &mp));
    REQUIRE(mp.kind == MP_ARRAY && mp.count == 3);
    ok(mp_read(&reader, &mp));
    REQUIRE(mp.kind == MP_UINT && mp.uint == 2);
    ok(mp_read(&reader, &mp));
    REQUIRE(bytes_equal(mp.bytes, bytes_of("watch.event")));
    ok(mp_read(&reader, &mp));
    REQUIRE(mp.kind == MP_ARRAY && mp.count >= 2);
    uint32_t events = mp.count - 1;
    ok(mp_read(&reader, &mp));
    REQUIRE(mp.kind == MP_UINT && mp.uint == id);
    for (uint32_t i = 0; i < events; i++)
        check_event(&reader, &version, &index);
    REQUIRE(mp_at_end(&reader));
}

/* Every watch tells what it can. One that has no memory for it loses its connection. */
static void pump_watches(struct world *w)
{
    struct watch *next;
    for (struct watch *watch = w->env.watches.first; watch != NULL; watch = next) {
        enum watch_result result = WATCH_MORE;
        next = watch->next;
        for (unsigned i = 0; result == WATCH_MORE; i++) {
            REQUIRE(i < 100000); /* it ends */
            begin_output(w);
            bool armed = arm_fault(w);
            result = watch_pump(&w->env, watch, feed_end(w->store->feed), &w->out);
            mem_fail_after(0, 0);
            REQUIRE(result != WATCH_FAILED || armed);
            check_notification(w, watch->id);
        }
        if (result == WATCH_FAILED)
            watch_close(watch);
    }
}

static void finish_all_jobs(struct world *w)
{
    for (unsigned i = 0; w->n_jobs > 0; i++) {
        REQUIRE(i < 10000); /* every job ends */
        step_jobs(w);
        (void)run_task(w);
    }
}

/* An operation that has failed must have changed nothing. */
static bool changes_nothing_on_error(const struct world *w, const struct request *request)
{
    const struct args_batch *batch = (const struct args_batch *)request->args;
    if (w->limited || feed_is_on(w->store->feed)) /* watches are told of the run it made */
        return false;
    if (request->op->id == OP_batch)
        return batch->conditions.present || (batch->atomic.present && batch->atomic.boolean);
    return (request->op->flags & OP_BATCH) != 0;
}

/* Versions given so far, without those of runs that were created, as a request that fails may;
 * they take some only while there is a feed. */
static uint64_t versions_of_records(const struct world *w)
{
    uint64_t runs = feed_is_on(w->store->feed) ? run_last_number(w->store->runs) : 0;
    return atomic_load(&w->store->version) - runs;
}

static void run_request(struct world *w, struct session *session, struct request *request)
{
    uint64_t version = versions_of_records(w);
    bool failed = false, strict = changes_nothing_on_error(w, request);
    dispatch_prefetch(&w->env, session, request);
    dispatch_prefetch_record(&w->env, request);
    begin_output(w);
    bool armed = arm_fault(w);
    struct job *job = dispatch_run(&w->env, session, request, &w->out, &failed);
    mem_fail_after(0, 0);
    REQUIRE(!failed || armed);
    REQUIRE(w->env.scratch.size == 0);
    bool none = failed || request->notification || job != NULL;
    bool error = check_output(w, request->msgid, none);
    if (error && strict && !armed)
        REQUIRE(versions_of_records(w) == version);
    if (job == NULL)
        return;
    job->resume = resume_job;
    w->jobs[w->n_jobs++] = (struct pending){job, session, request->msgid, request->notification};
}

static void refuse(struct world *w, struct session *session, const struct request *request,
                   const struct problem *problem)
{
    begin_output(w);
    ok(dispatch_finish(&w->env, session, request->msgid, request->notification, NULL, problem,
                       &w->out));
    REQUIRE(check_output(w, request->msgid, request->notification) != request->notification);
}

/* The message that has been made. */
static void send_request(struct world *w, struct session *session)
{
    static struct request request;
    struct problem problem;
    size_t size = 0;
    uint8_t *copy = malloc(w->message.size);
    REQUIRE(copy != NULL);
    memcpy(copy, w->message.data, w->message.size);
    memset(&request, 0xa5, sizeof request); /* nothing may be used that was not set */
    struct bytes message = {copy, w->message.size};
    switch (rpc_decode(message, &w->limits, &request, &problem, &size)) {
    case RPC_OK:
        run_request(w, session, &request);
        break;
    case RPC_REFUSED:
        refuse(w, session, &request, &problem);
        break;
    case RPC_MORE:
    case RPC_FATAL:
        break; /* only what was changed afterwards */
    }
    free(copy);
}

static void one_request(struct world *w)
{
    make_request(w);
    send_request(w, &w->session[choose(w, SESSIONS)]);
}

static void fill_collection(struct world *w)
{
    for (unsigned i = 0; i < 3; i++) {
        make_collection(w, i);
        send_request(w, &w->session[0]);
        run_tasks(w);
    }
}

/* ---- the store ---- */

/* The bytes of a record that are MessagePack, if they all should be; none: they are not. */
static struct bytes check_value(const struct record *record)
{
    struct bytes value = record_value(record), row = BYTES_NONE;
    struct vec_collection collection;
    struct vec_vector vector;
    switch (record_kind_of(record)) {
    case KIND_piece:
        return BYTES_NONE;
    case KIND_blob:
        REQUIRE(value.size == RECORD_COUNT_BYTES || ckpt_blob_row(value, &row));
        return row;
    case KIND_write:
    case KIND_note:
        REQUIRE(ckpt_row(value, record_kind_of(record), &row));
        return row;
    case KIND_vector:
        REQUIRE(vec_check_vector(value, &vector));
        return vector.metadata;
    case KIND_collection:
        REQUIRE(vec_read_collection(value, &collection));
        return value;
    default:
        return value;
    }
}

static void check_record(const struct world *w, unsigned index, struct record *record)
{
    const struct partition *partition = &w->store->partitions[index];
    struct record_key key = {record_run(record), record_kind_of(record), record_key_bytes(record)};
    uint64_t hash = store_hash(w->store, &key);
    REQUIRE(store_partition_index(w->store, hash) == index);
    REQUIRE(partition_find(partition, hash, &key) == record);
    REQUIRE(!record_is_text(record) || mp_utf8_valid(key.bytes) ||
            record_kinds[key.kind].owner != KIND_none); /* there it is about the id */
    REQUIRE(record_version(record) > 0 &&
            record_version(record) <= atomic_load(&w->store->version));
    struct mp_reader reader = mp_reader_of(check_value(record));
    REQUIRE(mp_at_end(&reader) || mp_skip(&reader, MP_DEPTH_MAX) == 0);
    REQUIRE(mp_at_end(&reader));
}

/* Does this record belong to that owner? */
static bool is_of(const struct record *record, const struct record *owner)
{
    struct record_key key = {record_run(record), record_kind_of(record), record_key_bytes(record)};
    struct group group;
    struct bytes rest;
    return key.run == record_run(owner) && group_read(&key, &group, &rest) &&
           bytes_equal(group.name, record_key_bytes(owner)) &&
           group.generation == group_generation(record_value(owner));
}

/* A session counts its checkpoints and the bytes of its records. */
static void check_session(const struct partition *partition, const struct record *session)
{
    enum { BEFORE_COUNTS = 9 };
    struct mp_reader reader = mp_reader_of(record_value(session));
    struct mp mp, checkpoints, bytes;
    struct record *record;
    struct omap_iter iter;
    uint64_t found = 0, size = 0;
    REQUIRE(mp_read(&reader, &mp) == 0);
    for (int i = 0; i < BEFORE_COUNTS; i++)
        REQUIRE(mp_skip(&reader, MP_DEPTH_MAX) == 0);
    REQUIRE(mp_read(&reader, &checkpoints) == 0 && mp_read(&reader, &bytes) == 0);
    omap_seek(&partition->order, NULL, &iter);
    while ((record = omap_next(&iter)) != NULL) {
        if (!is_of(record, session))
            continue;
        found += record_kind_of(record) == KIND_ckpt;
        size += record_key_bytes(record).size + record_value(record).size;
    }
    REQUIRE(found == checkpoints.uint && size == bytes.uint);
}

/* The index of a collection knows its vectors, and has linked them when there is nothing to do. */
static void check_collection(const struct world *w, const struct partition *partition,
                             const struct record *collection)
{
    struct vindex *vindex = vindex_find(partition, group_generation(record_value(collection)));
    struct vindex_figures figures;
    const struct record *record;
    struct omap_iter iter;
    uint64_t found = 0;
    REQUIRE(vindex != NULL);
    vindex_figures(vindex, &figures);
    vindex_unref(vindex);
    omap_seek(&partition->order, NULL, &iter);
    while ((record = omap_next(&iter)) != NULL)
        found += record_kind_of(record) == KIND_vector && is_of(record, collection);
    REQUIRE(figures.count == found);
    if (w->store->workers != NULL && !w->workers.stopping && w->workers.waiting == 0 && !w->faults)
        REQUIRE(figures.tail == 0 && (!figures.graph || figures.linked >= figures.count));
}

/* Counts of who names blobs and pieces are what a start would count. */
static void check_counts(const struct world *w)
{
    uint64_t before = 0, after = 0;
    for (int pass = 0; pass < 2; pass++) {
        for (unsigned i = 0; i < PARTITIONS; i++) {
            const struct record *record;
            struct omap_iter iter;
            uint64_t place = 1;
            if (w->store->partitions[i].orphans != NULL)
                return; /* half of a group may be gone */
            omap_seek(&w->store->partitions[i].order, NULL, &iter);
            while ((record = omap_next(&iter)) != NULL) {
                uint8_t kind = record_kind_of(record);
                uint64_t count = kind == KIND_blob || kind == KIND_piece ? record_count(record) : 0;
                *(pass == 0 ? &before : &after) += count * place;
                place = place * 31 + 1;
            }
        }
        if (pass == 0)
            ckpt_recount(w->store);
    }
    REQUIRE(before == after);
}

static void check_partition(const struct world *w, unsigned index)
{
    const struct partition *partition = &w->store->partitions[index];
    struct record *record, *last = NULL;
    uint64_t bytes = 0;
    size_t records = 0, expiring = 0;
    struct omap_iter iter;
    omap_check(&partition->order);
    omap_seek(&partition->order, NULL, &iter);
    while ((record = omap_next(&iter)) != NULL) {
        check_record(w, index, record);
        if (record_kind_of(record) == KIND_session)
            check_session(partition, record);
        if (record_kind_of(record) == KIND_collection)
            check_collection(w, partition, record);
        records++;
        expiring += record_expires_at_ms(record) != 0;
        bytes += record_memory(record);
        if (last != NULL) {
            struct record_key key = {record_run(last), record_kind_of(last),
                                     record_key_bytes(last)};
            REQUIRE(record_compare(&key, record) < 0);
        }
        last = record;
    }
    REQUIRE(records == partition->order.count && records == hmap_count(&partition->table));
    REQUIRE(expiring == partition->expiry.count);
    REQUIRE(bytes == partition->record_bytes);
}

static void check_store(const struct world *w)
{
    uint64_t reported = 0;
    for (unsigned i = 0; i < PARTITIONS; i++) {
        check_partition(w, i);
        reported += w->store->partitions[i].reported_bytes;
    }
    REQUIRE(reported == atomic_load(&w->store->bytes));
    check_counts(w);
}

static void pass_time(struct world *w)
{
    static const int64_t steps[] = {1, 4, 100, 1000, 60000, -1000};
    w->env.now_ms += steps[choose(w, LENGTH_OF(steps))];
    if (once_in(w, 2))
        (void)store_sweep(w->store, choose(w, PARTITIONS), w->env.now_ms, 1 + (int)choose(w, 64));
}

/* ---- the layers above ---- */

static void host_info(void *self, enum op_info_section section, struct reply *reply)
{
    (void)self;
    reply_uint(reply, section);
}

static void host_write(void *self, struct bytes name, struct reply *reply)
{
    (void)self;
    reply_map(reply, 1);
    reply_key(reply, "name");
    reply_bytes(reply, name, false);
}

static int host_set(void *self, struct bytes option, struct bytes value, struct problem *problem)
{
    (void)self;
    return option.size == value.size
               ? 0
               : problem_set(problem, ERR_BAD_ARGUMENT, "there is no option '%.*s'",
                             (int)option.size, (const char *)option.data);
}

static bool host_token(void *self, struct bytes token)
{
    (void)self;
    return bytes_equal(token, bytes_of("token"));
}

static int host_clients(void *self, uint64_t after, size_t max, struct session_view **out_views,
                        size_t *out_count)
{
    size_t n = max < 4 ? max : 4;
    struct session_view *views = mem_calloc(n, sizeof *views);
    (void)self;
    if (views == NULL)
        return ERR_OUT_OF_MEMORY;
    for (size_t i = 0; i < n; i++)
        views[i] = (struct session_view){.id = after + 1 + i, .run = "\xff", .run_size = i};
    *out_views = views;
    *out_count = n;
    return 0;
}

/* There is no log: never called. */
static bool host_snapshot(void *self)
{
    (void)self;
    abort();
}

static void host_tell(void *self, struct reply *reply)
{
    (void)self;
    (void)reply;
    abort();
}

static void host_nothing(void *self)
{
    (void)self;
}

static int host_kill(void *self, uint64_t id, bool *out_found)
{
    (void)self;
    *out_found = id < SESSIONS;
    return 0;
}

static const struct op_host host = {.server_version = "0",
                                    .info = host_info,
                                    .stats = host_write,
                                    .stats_reset = host_nothing,
                                    .config_get = host_write,
                                    .config_set = host_set,
                                    .snapshot = host_snapshot,
                                    .snapshots = host_tell,
                                    .recovery = host_tell,
                                    .token_valid = host_token,
                                    .clients = host_clients,
                                    .kill = host_kill};

/* ---- one input ---- */

static void set_limits(struct limits *limits)
{
    *limits = limits_default();
    limits->key_bytes = 16;
    limits->value_bytes = 4096;
    limits->items = ITEMS_MAX;
    limits->page_items = 20;
    limits->page_bytes = 4096;
    limits->reply_bytes = 65536;
    limits->runs = 4;
    limits->watches = 3;
}

static void begin_world(struct world *w, struct stats *stats)
{
    static const uint64_t memory[] = {0, 0, 40000, 200000};
    unsigned flags = choose(w, 256);
    struct store_options options = {.n_partitions = PARTITIONS,
                                    .n_threads = 1 + (flags & 1),
                                    .memory_limit = memory[flags >> 1 & 3],
                                    .evict = (flags & 8) != 0,
                                    .runs_max = 4,
                                    .now_ms = 1000000,
                                    .hash_key_given = true,
                                    .hash_key = {1, 2}};
    w->limited = options.memory_limit != 0;
    w->faults = (flags & 16) != 0;
    set_limits(&w->limits);
    w->store = store_create(&options);
    REQUIRE(w->store != NULL);
    (void)doubles_begin(&w->workers, UINT64_C(1) << choose(w, 20));
    w->vectors = (flags & 0x40) != 0;
    if ((flags & 0x60) != 0x20)
        w->store->workers = &w->workers;
    if (w->vectors)
        w->limits.items = MANY_MAX;
    ok(slowlog_init(&w->slowlog, 3));
    slowlog_set_threshold(&w->slowlog, 0); /* everything is slow */
    w->env = (struct op_env){.store = w->store,
                             .slowlog = &w->slowlog,
                             .limits = &w->limits,
                             .stats = stats,
                             .host = &host,
                             .login_required = (flags & 0xe0) == 0xe0,
                             .now_ms = options.now_ms};
    for (unsigned i = 0; i < SESSIONS; i++)
        session_init(&w->session[i], w->store, i, !w->env.login_required);
}

static void end_world(struct world *w)
{
    finish_all_jobs(w);
    if (once_in(w, 2))
        w->workers.stopping = true;
    run_all_tasks(w);
    check_store(w);
    for (unsigned i = 0; i < SESSIONS; i++)
        session_deinit(&w->session[i]);
    watch_set_close(&w->env.watches, w->store);
    store_destroy(w->store);
    slowlog_deinit(&w->slowlog);
    stats_deinit(w->env.stats);
    buf_deinit(&w->env.scratch);
    buf_deinit(&w->message);
    buf_deinit(&w->out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct stats stats;
    struct world w = {.at = data, .end = data + size};
    memset(&stats, 0, sizeof stats);
    begin_world(&w, &stats);
    if (w.vectors)
        fill_collection(&w);
    for (unsigned i = 0; i < STEPS_MAX && w.at < w.end; i++) {
        unsigned what = choose(&w, 16);
        if (what == 0)
            pass_time(&w);
        else if (what == 1)
            step_jobs(&w);
        else if (what == 2)
            pump_watches(&w);
        else if (what == 3)
            run_tasks(&w);
        else
            one_request(&w);
        if (w.n_jobs == JOBS)
            finish_all_jobs(&w);
        if (i % 16 == 15)
            check_store(&w);
    }
    end_world(&w);
    return 0;
}
