/* SPDX-License-Identifier: BSD-3-Clause
 *
 * States of checkpoints: see ckpt_state.h.
 *
 *   previous --> rope --> bytes --.
 *                                 diff --> manifest on top of it, if that is worth it
 *   state ------------------------'   `--> full manifest, cut by content, otherwise
 *                                             '--> hash: is it there? one reference more
 *                                                        else: it, and what it names
 *
 * Invariant
 *   Whoever plans a manifest plans a reference to everything it names, each time it does; whoever
 *   finds it there plans none but the one to it.
 *
 * Threads: the partition of the group is locked by space->txn.
 * Failures: planning may run out of memory; giving the transaction up undoes everything.
 */
#include "server/ops/ckpt_state.h"

#include "common/err.h"
#include "server/ops/ckpt_cut.h"
#include "server/ops/ckpt_diff.h"
#include "server/ops/ckpt_manifest.h"
#include "server/ops/ckpt_rope.h"

enum {
    BYTES_MAX = 256, /* a piece of its own costs more than copies in manifests */
    CUT_FROM =
        2 * CKPT_CUT_AVERAGE, /* shorter changes are no pieces: they would be shared by none */
};

struct state_plan {
    const struct ckpt_space *space;
    struct bytes state;
    struct bytes previous; /* hash, or none */
    struct ckpt_hasher hasher;
    struct buf manifest;  /* content */
    uint64_t piece_bytes; /* of the pieces it names */
    uint64_t new_bytes;
};

/* ---- what a manifest says ---- */

static int plan_add_bytes(struct state_plan *plan, struct bytes bytes)
{
    struct ckpt_part part = {.type = CKPT_PART_BYTES, .size = bytes.size, .bytes = bytes};
    return ckpt_manifest_add(&plan->manifest, &part);
}

/* Cut bytes of the state, and name the pieces. */
static int plan_add_pieces(struct state_plan *plan, struct bytes bytes)
{
    uint8_t hash[CKPT_HASH_BYTES];
    int err = 0;
    while (bytes.size > BYTES_MAX && err == 0) {
        struct bytes piece = {bytes.data, ckpt_cut(bytes)};
        struct ckpt_part part = {CKPT_PART_PIECE, piece.size, 0, {hash, sizeof hash}};
        bytes = (struct bytes){bytes.data + piece.size, bytes.size - piece.size};
        plan->piece_bytes += piece.size;
        err = ckpt_hasher_make(&plan->hasher, piece, hash);
        if (err == 0)
            err = ckpt_manifest_add(&plan->manifest, &part);
    }
    return err != 0 || bytes.size == 0 ? err : plan_add_bytes(plan, bytes);
}

static int plan_full(struct state_plan *plan)
{
    plan->manifest.size = 0;
    int err = ckpt_manifest_begin(&plan->manifest, 0, plan->state.size, BYTES_NONE);
    return err != 0 ? err : plan_add_pieces(plan, plan->state);
}

static int plan_runs(struct state_plan *plan, const struct ckpt_diff *diff)
{
    size_t old_at = 0;
    int err = 0;
    for (size_t i = 0; i < diff->count && err == 0; i++) {
        const struct ckpt_run *run = &diff->runs[i];
        struct bytes bytes = {plan->state.data + run->new_at, run->size};
        if (!run->common) {
            err = run->size < CUT_FROM ? plan_add_bytes(plan, bytes) : plan_add_pieces(plan, bytes);
            continue;
        }
        struct ckpt_part part = {CKPT_PART_RANGE, run->size, run->old_at - old_at, BYTES_NONE};
        err = ckpt_manifest_add(&plan->manifest, &part);
        old_at = run->old_at + run->size;
    }
    return err;
}

/* A manifest on top of the previous one, which is `rope`. *out_worth false: rather a full one. */
static int plan_on_top(struct state_plan *plan, const struct ckpt_rope *rope, struct bytes old,
                       bool *out_worth)
{
    struct ckpt_diff diff = {0};
    int err = ckpt_diff_make(old, plan->state, &diff);
    if (err == 0 && diff.added <= plan->state.size / 2) {
        err =
            ckpt_manifest_begin(&plan->manifest, rope->depth + 1, plan->state.size, plan->previous);
        if (err == 0)
            err = plan_runs(plan, &diff);
        *out_worth =
            rope->on_top_bytes + plan->manifest.size + plan->piece_bytes <= plan->state.size;
    }
    ckpt_diff_deinit(&diff);
    return err;
}

/* ---- planning ---- */

/* One reference to what it names, each time it does. */
static int plan_named(struct state_plan *plan)
{
    struct ckpt_manifest manifest;
    struct ckpt_part part;
    struct bytes content;
    size_t at = 0;
    bool new;
    int more, err = ckpt_manifest_open(buf_bytes(&plan->manifest), &manifest);
    REQUIRE(err == 0);
    if (manifest.depth > 0)
        err = ckpt_piece_ref(plan->space, CKPT_MANIFEST, manifest.base);
    while (err == 0 && (more = ckpt_manifest_next(&manifest, &part)) != 0) {
        REQUIRE(more == 1);
        content = (struct bytes){plan->state.data + at, (size_t)part.size};
        at += content.size;
        if (part.type == CKPT_PART_PIECE)
            err = ckpt_piece_add(plan->space, CKPT_PIECE, part.bytes, content, &new,
                                 &plan->new_bytes);
    }
    return err;
}

/* The manifest that was made: one reference to it. */
static int plan_manifest(struct state_plan *plan, uint8_t out_hash[static CKPT_HASH_BYTES])
{
    struct bytes content = buf_bytes(&plan->manifest), hash = {out_hash, CKPT_HASH_BYTES};
    bool new = false;
    int err = ckpt_hasher_make(&plan->hasher, content, out_hash);
    if (err == 0)
        err = ckpt_piece_add(plan->space, CKPT_MANIFEST, hash, content, &new, &plan->new_bytes);
    return err != 0 || !new ? err : plan_named(plan);
}

/* Compare with the state before. *out_same, *out_worth: it is the same; a manifest was made. */
static int plan_compare(struct state_plan *plan, bool *out_same, bool *out_worth)
{
    struct ckpt_rope rope = {0};
    struct buf old;
    buf_init(&old);
    int err = ckpt_rope_load(plan->space, plan->previous, NULL, &rope);
    if (err == 0)
        err = ckpt_rope_read(&rope, &old);
    if (err == 0)
        *out_same = bytes_equal(buf_bytes(&old), plan->state);
    if (err == 0 && !*out_same && rope.depth < CKPT_DEPTH_MAX)
        err = plan_on_top(plan, &rope, buf_bytes(&old), out_worth);
    buf_deinit(&old);
    ckpt_rope_deinit(&rope);
    return err == ERR_DATA_DAMAGED ? 0 : err;
}

static int plan_state(struct state_plan *plan, uint8_t out_hash[static CKPT_HASH_BYTES])
{
    bool same = false, worth = false;
    int err = 0;
    if (plan->previous.size == CKPT_HASH_BYTES)
        err = plan_compare(plan, &same, &worth);
    if (err == 0 && same) {
        memcpy(out_hash, plan->previous.data, CKPT_HASH_BYTES);
        return ckpt_piece_ref(plan->space, CKPT_MANIFEST, plan->previous);
    }
    if (err == 0 && !worth)
        err = plan_full(plan);
    return err != 0 ? err : plan_manifest(plan, out_hash);
}

int ckpt_state_plan(const struct ckpt_space *space, struct bytes state, struct bytes previous,
                    uint8_t out_hash[static CKPT_HASH_BYTES], bool *out_cut,
                    uint64_t *out_new_bytes)
{
    struct state_plan plan = {.space = space, .state = state, .previous = previous};
    REQUIRE(space->txn->many);
    *out_new_bytes = 0;
    *out_cut = state.size >= CKPT_STATE_MIN;
    if (!*out_cut)
        return 0;
    if (state.size > CKPT_SIZE_MAX)
        return ERR_LIMIT_EXCEEDED;
    buf_init(&plan.manifest);
    int err = ckpt_hasher_init(&plan.hasher);
    if (err == 0)
        err = plan_state(&plan, out_hash);
    ckpt_hasher_deinit(&plan.hasher);
    buf_deinit(&plan.manifest);
    *out_new_bytes = plan.new_bytes;
    return err;
}

/* ---- reading ---- */

int ckpt_state_read(const struct ckpt_space *space, struct bytes hash, struct buf *out)
{
    struct ckpt_rope rope = {0};
    if (hash.size != CKPT_HASH_BYTES)
        return ERR_DATA_DAMAGED;
    int err = ckpt_rope_load(space, hash, NULL, &rope);
    if (err == 0)
        err = ckpt_rope_read(&rope, out);
    ckpt_rope_deinit(&rope);
    return err;
}

int ckpt_state_size(const struct ckpt_space *space, struct bytes hash, uint64_t *out_size)
{
    struct ckpt_manifest manifest;
    struct bytes content;
    if (hash.size != CKPT_HASH_BYTES || !ckpt_piece_find(space, CKPT_MANIFEST, hash, &content))
        return ERR_DATA_DAMAGED;
    int err = ckpt_manifest_open(content, &manifest);
    if (err == 0)
        *out_size = manifest.size;
    return err;
}

int ckpt_state_verify(const struct ckpt_space *space, struct bytes hash)
{
    struct ckpt_hasher hasher;
    struct ckpt_rope rope = {0};
    if (hash.size != CKPT_HASH_BYTES)
        return ERR_DATA_DAMAGED;
    int err = ckpt_hasher_init(&hasher);
    if (err == 0)
        err = ckpt_rope_load(space, hash, &hasher, &rope);
    ckpt_rope_deinit(&rope);
    ckpt_hasher_deinit(&hasher);
    return err;
}

/* ---- giving back ---- */

/* The pieces that a manifest names. *out_base: a copy, as the manifest may go; or nothing. */
static int unref_pieces(const struct ckpt_space *space, struct bytes content,
                        uint8_t out_base[static CKPT_HASH_BYTES], bool *out_has_base,
                        uint64_t *freed)
{
    struct ckpt_manifest manifest;
    struct ckpt_part part;
    int err = 0;
    if (ckpt_manifest_open(content, &manifest) != 0)
        return 0;
    while (err == 0 && ckpt_manifest_next(&manifest, &part) == 1)
        if (part.type == CKPT_PART_PIECE)
            err = ckpt_piece_unref(space, CKPT_PIECE, part.bytes, freed);
    *out_has_base = manifest.depth > 0;
    if (*out_has_base)
        memcpy(out_base, manifest.base.data, CKPT_HASH_BYTES);
    return err;
}

/* One reference less to the manifest `at`, which becomes the next to have one less: its base, if it
 * goes itself. False if there is none. */
static bool unref_manifest(const struct ckpt_space *space, uint8_t at[static CKPT_HASH_BYTES],
                           uint64_t *freed, int *err)
{
    struct bytes hash = {at, CKPT_HASH_BYTES}, content;
    uint8_t base[CKPT_HASH_BYTES];
    bool has_base = false;
    *err = 0;
    if (ckpt_piece_count(space, CKPT_MANIFEST, hash) == 1 &&
        ckpt_piece_find(space, CKPT_MANIFEST, hash, &content))
        *err = unref_pieces(space, content, base, &has_base, freed);
    if (*err == 0)
        *err = ckpt_piece_unref(space, CKPT_MANIFEST, hash, freed);
    if (has_base)
        memcpy(at, base, sizeof base);
    return has_base && *err == 0;
}

int ckpt_state_unref(const struct ckpt_space *space, struct bytes hash, uint64_t *out_freed_bytes)
{
    uint8_t at[CKPT_HASH_BYTES];
    int err = 0;
    REQUIRE(space->txn->many);
    *out_freed_bytes = 0;
    if (hash.size != CKPT_HASH_BYTES)
        return 0;
    memcpy(at, hash.data, sizeof at);
    while (unref_manifest(space, at, out_freed_bytes, &err))
        continue;
    return err;
}
