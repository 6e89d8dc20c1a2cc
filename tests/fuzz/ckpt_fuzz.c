/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Fuzzes what reads the records of kind piece: the input is some of them, each a type, a byte that
 * stands for its hash, a size of two bytes and the content. Every manifest is read or refused; what
 * is read has the size it says, can be the base of another state, and gives back what it named.
 */
#include "common/err.h"
#include "server/ops/ckpt_state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HEAD = 4, RECORDS_MAX = 64 };

struct fuzz {
    struct store *store;
    struct txn txn;
    struct ckpt_space space;
    uint8_t prefix[GROUP_PREFIX_MAX];
    uint8_t manifests[RECORDS_MAX]; /* names */
    size_t n_manifests;
};

static void begin(struct fuzz *fuzz)
{
    struct record_key key = {fuzz->space.run, KIND_piece, fuzz->space.prefix};
    txn_init(&fuzz->txn, fuzz->store, 1000);
    REQUIRE(txn_lock(&fuzz->txn, fuzz->store->default_run, store_hash(fuzz->store, &key), 0) == 0);
    fuzz->txn.many = true;
}

static void end(struct fuzz *fuzz)
{
    (void)txn_commit(&fuzz->txn);
    txn_deinit(&fuzz->txn);
}

static void open_store(struct fuzz *fuzz)
{
    struct store_options options = {
        .n_partitions = 1, .n_threads = 1, .runs_max = 10, .now_ms = 1000, .hash_key_given = true};
    fuzz->store = store_create(&options);
    REQUIRE(fuzz->store != NULL);
    struct group group = {run_id(fuzz->store->default_run), KIND_session, bytes_of("s"), 1};
    size_t size = group_write_prefix(&group, fuzz->prefix);
    fuzz->space = (struct ckpt_space){&fuzz->txn, fuzz->store, group.run, {fuzz->prefix, size}};
}

/* Put the records there. */
static void load(struct fuzz *fuzz, const uint8_t *data, size_t size)
{
    begin(fuzz);
    for (unsigned i = 0; i < RECORDS_MAX && size >= HEAD; i++) {
        uint8_t hash[CKPT_HASH_BYTES] = {data[1]};
        size_t n = data[2] | (size_t)data[3] << 8;
        n = n < size - HEAD ? n : size - HEAD;
        enum ckpt_piece_type type = data[0] == CKPT_MANIFEST ? CKPT_MANIFEST : CKPT_PIECE;
        uint64_t bytes = 0;
        bool new;
        REQUIRE(ckpt_piece_add(&fuzz->space, type, (struct bytes){hash, sizeof hash},
                               (struct bytes){data + HEAD, n}, &new, &bytes) == 0);
        if (new &&type == CKPT_MANIFEST)
            fuzz->manifests[fuzz->n_manifests++] = data[1];
        data += HEAD + n;
        size -= HEAD + n;
    }
    end(fuzz);
}

/* A state that differs from this one a little, on top of it; read back. */
static void save_on_top(struct fuzz *fuzz, struct bytes hash, struct buf *state)
{
    uint8_t next[CKPT_HASH_BYTES];
    struct buf again;
    uint64_t bytes;
    bool cut;
    if (state->size < CKPT_STATE_MIN)
        return;
    state->data[state->size / 2] ^= 1;
    buf_init(&again);
    REQUIRE(ckpt_state_plan(&fuzz->space, buf_bytes(state), hash, next, &cut, &bytes) == 0 && cut);
    REQUIRE(ckpt_state_read(&fuzz->space, (struct bytes){next, sizeof next}, &again) == 0);
    REQUIRE(bytes_equal(buf_bytes(&again), buf_bytes(state)));
    REQUIRE(ckpt_state_unref(&fuzz->space, (struct bytes){next, sizeof next}, &bytes) == 0);
    buf_deinit(&again);
}

static void read_one(struct fuzz *fuzz, uint8_t name)
{
    uint8_t bytes[CKPT_HASH_BYTES] = {name};
    struct bytes hash = {bytes, sizeof bytes};
    struct buf state;
    uint64_t size = 0;
    buf_init(&state);
    int err = ckpt_state_read(&fuzz->space, hash, &state);
    REQUIRE(err == 0 || (err == ERR_DATA_DAMAGED && state.size == 0));
    if (err == 0)
        REQUIRE(ckpt_state_size(&fuzz->space, hash, &size) == 0 && size == state.size);
    REQUIRE(ckpt_state_verify(&fuzz->space, hash) == ERR_DATA_DAMAGED); /* no hash is right */
    if (err == 0)
        save_on_top(fuzz, hash, &state);
    buf_deinit(&state);
}

static struct bytes refers_to_nothing(const struct record *record)
{
    (void)record;
    return BYTES_NONE;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz fuzz = {0};
    struct ckpt_recounted counts;
    open_store(&fuzz);
    load(&fuzz, data, size);
    begin(&fuzz);
    for (size_t i = 0; i < fuzz.n_manifests; i++)
        read_one(&fuzz, fuzz.manifests[i]);
    end(&fuzz);
    ckpt_state_recount(fuzz.store, refers_to_nothing, &counts);
    begin(&fuzz);
    for (size_t i = 0; i < fuzz.n_manifests; i++) {
        uint8_t hash[CKPT_HASH_BYTES] = {fuzz.manifests[i]};
        uint64_t freed;
        REQUIRE(ckpt_state_unref(&fuzz.space, (struct bytes){hash, sizeof hash}, &freed) == 0);
    }
    end(&fuzz);
    store_destroy(fuzz.store);
    return 0;
}
