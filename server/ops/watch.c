/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Watches: from events in the feed to notifications.
 *
 *   feed:   [ v7 v7 | v8 | v9 v9 v9 | v10 ]            | whole transactions
 *                     ^cursor: after = 7
 *   page:   [2, "watch.event", [id, {v8}, {v9}, {v9}]]   those that match, if there is credit
 *
 * A page ends between transactions, as soon as it has WATCH_PAGE_BYTES or WATCH_LOOK events were
 * looked at. What the ring has lost is told as one event of its own, which needs no credit but
 * waits until there is some, so that it is told once however long that takes.
 *
 * Runs: events carry the number of a run, a watch has a name. The feed tells which number a name
 * gets and when it loses it, so the cursor knows the number at its place; where it begins that is
 * looked up (watch_find_run).
 *
 * Invariants
 *   1. cursor.after is the last transaction of which all was told; nothing behind it was.
 *   2. Events of a transaction are in one notification.
 *
 * Threads: the loop of the connection.
 * Failures: without memory for a page the connection cannot go on; a transaction that is larger
 * than limits.reply_bytes is told as lost.
 */
#include "server/ops/watch.h"

#include "common/err.h"
#include "common/mem.h"
#include "server/ops/ckpt.h"
#include "server/ops/dispatch.h"

enum {
    WATCH_PAGE_BYTES = 64 * 1024,
    WATCH_LOOK = 2048, /* events */
};

#define WATCH_CREDIT_MAX (((uint64_t)1 << 53) - 1)

struct bytes watch_run(const struct watch *watch)
{
    return (struct bytes){watch->bytes, watch->run_size};
}

struct bytes watch_prefix(const struct watch *watch)
{
    return (struct bytes){watch->bytes + watch->run_size, watch->prefix_size};
}

static struct bytes watch_item_key(const struct feed_item *item)
{
    return (struct bytes){item->key, item->key_size};
}

/* Is this about the run that the watch is for? */
static bool watch_is_its_run(const struct watch *watch, const struct feed_item *item)
{
    return item->kind == KIND_run && bytes_equal(watch_item_key(item), watch_run(watch));
}

/* ---- opening and closing ---- */

/* Did the run of this name have another number at the cursor than now? Only if it was dropped
 * since. */
static void watch_find_run(struct op_env *env, struct watch *watch)
{
    struct feed *feed = env->store->feed;
    struct run *run = run_find(env->store->runs, watch_run(watch));
    watch->run = run_id(run);
    run_unref(run);
    if (!feed_drops_after(feed, watch->cursor.after))
        return;
    const struct feed_item *item =
        feed_find_run(feed, &env->watches.reader, watch->cursor, watch_run(watch));
    if (item != NULL)
        watch->run = item->event == EVENT_dropped ? item->run : RUN_NOWHERE;
}

/* Note that events are lost, besides those that the client does not know about yet. */
static void watch_lose(struct watch *watch, const char *type, uint64_t from, uint64_t to)
{
    if (watch->lost == NULL) {
        watch->lost = type;
        watch->lost_from = from;
    }
    watch->lost_to = to;
}

static void watch_seek(const struct op_env *env, struct watch *watch,
                       const struct watch_options *options)
{
    struct feed *feed = env->store->feed;
    bool foreign = options->history_given && options->history != env->store->history;
    if (!options->resume) {
        feed_seek_end(feed, &watch->cursor);
    } else if (foreign || options->from_version > atomic_load(&env->store->version)) {
        feed_seek_end(feed, &watch->cursor);
        watch_lose(watch, "gap", 1, watch->cursor.after);
    } else if (!feed_seek(feed, options->from_version, &watch->cursor)) {
        watch_lose(watch, "gap", options->from_version + 1, watch->cursor.after);
    }
}

static struct watch *watch_create(struct session *session, const struct watch_options *options)
{
    size_t size = sizeof(struct watch) + options->run.size + options->prefix.size;
    struct watch *watch = mem_calloc(1, size);
    if (watch == NULL)
        return NULL;
    watch->session = session;
    watch->size = size;
    watch->kind = (uint8_t)options->kind;
    watch->values = options->values;
    watch->exact = options->exact;
    watch->limited = options->limited;
    watch->credit = options->credit;
    watch->run_size = options->run.size;
    watch->prefix_size = options->prefix.size;
    memcpy(watch->bytes, options->run.data, options->run.size);
    if (options->prefix.size > 0)
        memcpy(watch->bytes + options->run.size, options->prefix.data, options->prefix.size);
    return watch;
}

/* Put it at the end of its session, and in front of its set. */
static void watch_link(struct watch_set *set, struct watch *watch)
{
    struct session *session = watch->session;
    struct watch **last = &session->watches;
    while (*last != NULL)
        last = &(*last)->next_of_session;
    *last = watch;
    session->n_watches++;
    session->watch_bytes += watch->size;
    watch->set = set;
    watch->next = set->first;
    watch->link = &set->first;
    if (watch->next != NULL)
        watch->next->link = &watch->next;
    set->first = watch;
    set->again = true;
    atomic_fetch_add_explicit(&set->count, 1, memory_order_relaxed);
}

int watch_open(struct op_env *env, struct session *session, const struct watch_options *options,
               struct watch **out_watch)
{
    struct watch *watch = watch_create(session, options);
    if (watch == NULL || store_start_feed(env->store) != 0) {
        mem_free(watch);
        return ERR_OUT_OF_MEMORY;
    }
    watch->id = ++session->last_watch;
    watch->level = env->level;
    watch_seek(env, watch, options);
    watch_find_run(env, watch);
    watch_link(&env->watches, watch);
    feed_listen(env->store->feed, &env->watches.listener);
    *out_watch = watch;
    return 0;
}

struct watch *watch_next(const struct session *session, uint64_t after)
{
    struct watch *watch = session->watches;
    while (watch != NULL && watch->id <= after)
        watch = watch->next_of_session;
    return watch;
}

struct watch *watch_find(const struct session *session, uint64_t id)
{
    struct watch *watch = id == 0 ? NULL : watch_next(session, id - 1);
    return watch != NULL && watch->id == id ? watch : NULL;
}

void watch_close(struct watch *watch)
{
    struct session *session = watch->session;
    struct watch_set *set = watch->set;
    struct watch **link = &session->watches;
    while (*link != watch)
        link = &(*link)->next_of_session;
    *link = watch->next_of_session;
    session->n_watches--;
    session->watch_bytes -= watch->size;
    if (set->at == watch)
        set->at = watch->next;
    *watch->link = watch->next;
    if (watch->next != NULL)
        watch->next->link = watch->link;
    atomic_fetch_sub_explicit(&set->count, 1, memory_order_relaxed);
    mem_free(watch);
}

void watch_close_all(struct session *session)
{
    while (session->watches != NULL)
        watch_close(session->watches);
}

void watch_set_close(struct watch_set *set, struct store *store)
{
    feed_listen_no_more(store->feed, &set->listener);
    feed_reader_close(store->feed, &set->reader);
}

uint64_t watch_add_credit(struct watch *watch, uint64_t events)
{
    uint64_t sum = watch->credit + events;
    watch->credit = sum < WATCH_CREDIT_MAX ? sum : WATCH_CREDIT_MAX;
    watch->parked = watch->credit == 0 && watch->parked;
    watch->set->again = true;
    return watch->credit;
}

bool watch_set_has_news(const struct watch_set *set, const struct store *store, uint64_t *out_end)
{
    if (set->first == NULL)
        return false;
    *out_end = feed_end(store->feed);
    return set->again || *out_end != set->looked;
}

/* ---- telling ---- */

/* A notification being written. */
struct watch_page {
    struct op_env *env;
    struct watch *watch;
    struct buf *out;
    struct reply reply;
    bool begun;
    size_t mark;            /* of its array */
    uint64_t n;             /* events in it */
    uint64_t first;         /* version of the first */
    uint64_t version;       /* of the transaction that is being looked at; 0: none */
    size_t before_size;     /* output before the first event of that, */
    uint64_t before_n;      /* with so many, */
    uint64_t before_credit; /* and so much credit */
};

static bool watch_may_tell(const struct watch *watch)
{
    return !watch->limited || watch->credit > 0;
}

static struct reply *watch_begin(struct watch_page *page)
{
    struct reply *reply = &page->reply;
    if (page->begun)
        return reply;
    page->begun = true;
    reply_begin(reply, page->out, REPLY_PLAIN, 0, page->env->limits->reply_bytes);
    reply_array(reply, 3);
    reply_uint(reply, 2); /* a notification */
    reply_text(reply, "watch.event");
    page->mark = reply_array_open(reply);
    reply_uint(reply, page->watch->id);
    return reply;
}

/* One event for all that is lost. */
static void watch_write_lost(struct watch_page *page)
{
    struct watch *watch = page->watch;
    struct reply *reply = watch_begin(page);
    reply_map(reply, 3);
    reply_key(reply, "type");
    reply_text(reply, watch->lost);
    reply_key(reply, "from_version");
    reply_uint(reply, watch->lost_from);
    reply_key(reply, "version");
    reply_uint(reply, watch->lost_to);
    page->first = page->first == 0 ? watch->lost_from : page->first;
    watch->lost = NULL;
    watch->losses++;
    page->n++;
    stats_add(page->env->stats, METRIC_watch_losses, 1);
}

/* The value of the record as the event left it, if it is still there. True: written. */
static bool watch_write_value(struct watch_page *page, const struct feed_item *item)
{
    struct store *store = page->env->store;
    struct record_key key = {item->run, item->kind, watch_item_key(item)};
    uint64_t hash = store_hash(store, &key);
    struct partition *partition = &store->partitions[store_partition_index(store, hash)];
    if (item->kind == KIND_run || reply_size(&page->reply) > page->env->limits->page_bytes)
        return false;
    partition_lock(partition);
    const struct record *record = partition_find(partition, hash, &key);
    bool same = record != NULL && record_version(record) == item->version;
    if (same) {
        reply_key(&page->reply, "value");
        reply_value(&page->reply, record_value(record));
    }
    partition_unlock(partition);
    return same;
}

/* Of a checkpoint: [session, ns, id]; of a vector: [collection, key]. */
static void watch_write_key(struct reply *reply, const struct feed_item *item)
{
    struct record_key key = {item->run, item->kind, watch_item_key(item)};
    struct group group;
    struct bytes ns = BYTES_NONE, id;
    bool ckpt = item->kind == KIND_ckpt;
    if (!(ckpt ? ckpt_key_parts(key.bytes, &ns, &id)
               : item->kind == KIND_vector && group_read(&key, &group, &id))) {
        reply_bytes(reply, key.bytes, item->text);
        return;
    }
    struct bytes owner = group_name(key.bytes);
    reply_array(reply, ckpt ? 3 : 2);
    reply_bytes(reply, owner, mp_utf8_valid(owner));
    if (ckpt)
        reply_bytes(reply, ns, mp_utf8_valid(ns));
    reply_bytes(reply, id, item->text);
}

static void watch_write(struct watch_page *page, const struct feed_item *item)
{
    struct watch *watch = page->watch;
    struct reply *reply = watch_begin(page);
    struct bytes key = watch_item_key(item);
    struct bytes run = item->kind == KIND_run ? key : watch_run(watch);
    size_t head = page->out->size;
    reply_map(reply, 6);
    reply_key(reply, "version");
    reply_uint(reply, item->version);
    reply_key(reply, "index");
    reply_uint(reply, item->index);
    reply_key(reply, "type");
    reply_text(reply, event_name(item->event));
    reply_key(reply, "kind");
    reply_text(reply, record_kind_name(item->kind));
    reply_key(reply, "run");
    reply_bytes(reply, run, mp_utf8_valid(run));
    reply_key(reply, "key");
    watch_write_key(reply, item);
    if (watch->values && watch_write_value(page, item) && reply->failed == 0)
        page->out->data[head]++; /* a map of 7 */
    page->n++;
    page->first = page->first == 0 ? item->version : page->first;
    watch->credit -= watch->credit > 0; /* of no more than there is: transactions are not divided */
}

/* Does this happen to the owner of what is watched, and to all that it owns? */
static bool watch_is_of_owner(const struct watch *watch, const struct feed_item *item)
{
    return item->kind == record_kinds[watch->kind].owner &&
           (item->event == EVENT_del || item->event == EVENT_expired ||
            item->event == EVENT_compacted);
}

static bool watch_matches(const struct watch *watch, const struct feed_item *item)
{
    if (item->kind == KIND_run && watch->kind != KIND_run)
        return item->event == EVENT_dropped && watch_is_its_run(watch, item);
    struct bytes key = watch_item_key(item), prefix = watch_prefix(watch);
    if (item->run != watch->run && watch->kind != KIND_run)
        return false;
    if (item->kind == watch->kind && record_kinds[item->kind].owner != KIND_none)
        key = group_name(key);
    else if (item->kind != watch->kind && !watch_is_of_owner(watch, item))
        return false;
    return watch->exact ? bytes_equal(key, prefix) : bytes_start_with(key, prefix);
}

/* The run got its number, or has lost it. */
static void watch_follow_run(struct watch *watch, const struct feed_item *item)
{
    if (watch_is_its_run(watch, item))
        watch->run = item->event == EVENT_created ? item->run : RUN_NOWHERE;
}

/* All of a transaction has been looked at; the next is this (0: there is none yet). */
static void watch_pass(struct watch_page *page, uint64_t next)
{
    if (page->version != 0)
        page->watch->cursor.after = page->version;
    page->version = next;
    page->before_size = page->out->size;
    page->before_n = page->n;
    page->before_credit = page->watch->credit;
}

/* The ring has moved on, in the middle of a transaction perhaps: that is lost, too. */
static void watch_fall_behind(struct watch_page *page, uint64_t after)
{
    struct watch *watch = page->watch;
    if (page->version != 0 && page->n > page->before_n) {
        page->out->size = page->before_size;
        page->n = page->before_n;
        page->begun = page->n > 0; /* else the head of the notification has gone, too */
        page->first = page->n > 0 ? page->first : 0;
        watch->credit = page->before_credit;
    }
    page->version = 0;
    watch_lose(watch, "lagged", after + 1, watch->cursor.after);
}

static bool watch_is_full(const struct watch_page *page)
{
    return page->begun && (page->reply.failed != 0 || reply_size(&page->reply) >= WATCH_PAGE_BYTES);
}

static enum watch_result watch_look(struct watch_page *page, uint64_t end)
{
    struct watch *watch = page->watch;
    struct op_env *env = page->env;
    const struct feed_item *item;
    for (unsigned looked = 0;; looked++) {
        struct feed_cursor before = watch->cursor;
        enum feed_result found =
            feed_next(env->store->feed, &env->watches.reader, &watch->cursor, end, &item);
        if (found == FEED_LOST)
            watch_fall_behind(page, before.after);
        if (found == FEED_END)
            watch_pass(page, 0);
        if (watch->lost != NULL && page->version == 0 && watch_may_tell(watch))
            watch_write_lost(page);
        if (found == FEED_END)
            return WATCH_DONE;
        if (found == FEED_LOST)
            continue;
        bool next = item->version != page->version;
        if (next)
            watch_pass(page, item->version);
        bool matches = watch_matches(watch, item);
        watch->parked = matches && !watch_may_tell(watch) && page->n == page->before_n;
        bool full = next && (looked >= WATCH_LOOK || watch_is_full(page));
        if (watch->parked || full) {
            watch->cursor.position = before.position;
            return watch->parked ? WATCH_DONE : WATCH_MORE;
        }
        if (matches)
            watch_write(page, item);
        if (item->kind == KIND_run)
            watch_follow_run(watch, item);
    }
}

/* End the notification, if there is one. */
static enum watch_result watch_end(struct watch_page *page, enum watch_result result)
{
    struct watch *watch = page->watch;
    if (!page->begun)
        return result;
    reply_array_close(&page->reply, page->mark, page->n + 1);
    int err = page->n > 0 ? reply_end(&page->reply) : 0;
    if (page->n == 0)
        page->out->size = page->reply.start;
    if (err == ERR_LIMIT_EXCEEDED) {
        watch_lose(watch, "lagged", page->first, watch->cursor.after);
        return WATCH_MORE;
    }
    if (err != 0)
        return WATCH_FAILED;
    watch->events += page->n;
    stats_add(page->env->stats, METRIC_watch_events, page->n);
    dispatch_rest_on(page->env, watch->level, watch->cursor.after);
    return result;
}

enum watch_result watch_pump(struct op_env *env, struct watch *watch, uint64_t end, struct buf *out)
{
    struct watch_page page = {.env = env, .watch = watch, .out = out};
    if (watch->parked || (watch->cursor.position >= end && watch->lost == NULL))
        return WATCH_DONE;
    watch_pass(&page, 0);
    return watch_end(&page, watch_look(&page, end));
}
