/* SPDX-License-Identifier: BSD-3-Clause
 *
 * One damage at a time: a bit, a block of zeros or garbage, a file cut short, missing, swapped,
 * doubled, of another store.
 *
 * Whether it must be noticed follows from what stands in the undamaged log, by other means than
 * those of replay: the bad entry is the first whose bytes have changed; a witness is an entry
 * behind it that has not changed, was written when more than the beginning of the bad one had been
 * synced, and, unless it is without a body, has its seed before it unchanged.
 */
#include "tests/crash/damage.h"

#include "tests/crash/log_driver.h"

#include <inttypes.h>
#include <stdlib.h>

enum { LAYOUT_MAX = 5000 };

struct placed {
    uint64_t offset, size, synced;
    bool bare;
};

/* A segment before the damage. */
struct layout {
    char name[FILE_NAME_MAX + 1];
    uint8_t *data;
    uint64_t bytes, end; /* size; where its entries end */
    struct segment_header header;
    struct placed entries[LAYOUT_MAX];
    unsigned n;
    bool last;
};

/* Names of segments are in the order of LSNs when sorted as text. */
static int segments(const struct simfs *fs, const char *out_names[static 64])
{
    int n = 0;
    const char *name;
    uint64_t lsn;
    for (unsigned i = 0; (name = simfs_name(fs, i)) != NULL; i++) {
        if (!segment_parse_name(name, &lsn))
            continue;
        REQUIRE(n < 64);
        int at = n++;
        for (; at > 0 && strcmp(out_names[at - 1], name) > 0; at--)
            out_names[at] = out_names[at - 1];
        out_names[at] = name;
    }
    return n;
}

static void read_layout(const struct simfs *fs, const char *name, bool last, struct layout *l)
{
    struct bytes content = simfs_content(fs, name);
    struct entry entry;
    size_t size;
    uint32_t crc;
    (void)snprintf(l->name, sizeof l->name, "%s", name);
    l->data = malloc(content.size);
    REQUIRE(l->data != NULL && segment_decode_header(content.data, &l->header) == 0);
    memcpy(l->data, content.data, content.size);
    l->bytes = content.size;
    l->last = last;
    l->n = 0;
    l->end = SEGMENT_HEADER_BYTES;
    crc = l->header.salt;
    while (entry_read((struct bytes){l->data + l->end, (size_t)(l->bytes - l->end)}, crc, &entry,
                      &size, &crc) == 0) {
        REQUIRE(l->n < LAYOUT_MAX);
        l->entries[l->n++] =
            (struct placed){l->end, size, entry.synced,
                            entry.body.size == 0 &&
                                (entry.type == ENTRY_WATERMARK || entry.type == ENTRY_SHUTDOWN)};
        l->end += size;
    }
}

static bool changed(const struct layout *l, const uint8_t *now, uint64_t offset, uint64_t size)
{
    return memcmp(l->data + offset, now + offset, (size_t)size) != 0;
}

static bool has_witness(const struct layout *l, const uint8_t *now, uint64_t bad, unsigned i)
{
    for (; i < l->n; i++) {
        const struct placed *e = &l->entries[i];
        if (e->synced > bad && !changed(l, now, e->offset, e->size) &&
            (e->bare || !changed(l, now, e->offset - 4, 4)))
            return true;
    }
    return false;
}

/* The bytes of a segment have changed, not its size. */
static bool must_notice(const struct layout *l, const uint8_t *now)
{
    if (changed(l, now, 0, SEGMENT_HEADER_BYTES))
        return true;
    for (unsigned i = 0; i < l->n; i++)
        if (changed(l, now, l->entries[i].offset, l->entries[i].size))
            return !l->last || has_witness(l, now, l->entries[i].offset, i + 1);
    return false;
}

static void change_bytes(struct layout *l, uint8_t *now, struct rng *rng, struct damage *damage)
{
    uint64_t at = rng_below(rng, l->end);
    unsigned kind = (unsigned)rng_below(rng, 3);
    uint64_t size = kind == 0 ? 1 : 1 + rng_below(rng, rng_below(rng, 2) == 0 ? 512 : 4096);
    if (kind != 0 && rng_below(rng, 2) == 0) {
        at = at / SIMFS_SECTOR * SIMFS_SECTOR;
        size = SIMFS_SECTOR;
    }
    size = size > l->bytes - at ? l->bytes - at : size;
    for (uint64_t i = at; i < at + size; i++)
        now[i] = kind == 0   ? now[i] ^ (uint8_t)(1 << rng_below(rng, 8))
                 : kind == 1 ? 0
                             : (uint8_t)rng_next(rng);
    (void)snprintf(damage->what, sizeof damage->what,
                   "%s: %s at offset %" PRIu64 ", %" PRIu64 " bytes", l->name,
                   kind == 0   ? "a bit flipped"
                   : kind == 1 ? "zeros"
                               : "garbage",
                   at, size);
}

static bool do_bytes(struct simfs *fs, struct layout *l, struct rng *rng, struct damage *damage)
{
    uint8_t *now = malloc((size_t)l->bytes);
    REQUIRE(now != NULL);
    memcpy(now, l->data, (size_t)l->bytes);
    change_bytes(l, now, rng, damage);
    bool differs = changed(l, now, 0, l->bytes);
    damage->must_refuse = must_notice(l, now);
    simfs_put(fs, l->name, (struct bytes){now, (size_t)l->bytes});
    free(now);
    return differs;
}

static bool do_truncate(struct simfs *fs, struct layout *l, struct rng *rng, struct damage *damage)
{
    uint64_t size = rng_below(rng, rng_below(rng, 4) == 0 ? l->bytes : l->end);
    simfs_put(fs, l->name, (struct bytes){l->data, (size_t)size});
    damage->must_refuse = true;
    (void)snprintf(damage->what, sizeof damage->what, "%s: cut to %" PRIu64 " bytes", l->name,
                   size);
    return true;
}

static bool do_header(struct simfs *fs, struct layout *l, struct rng *rng, struct damage *damage)
{
    unsigned field = (unsigned)rng_below(rng, 5);
    struct segment_header *h = &l->header;
    h->store.bytes[3] ^= field == 0;
    h->number += field == 1;
    h->first_lsn += field == 2;
    h->last_lsn -= field == 3;
    h->salt += field == 4;
    segment_encode_header(h, l->data);
    simfs_put(fs, l->name, (struct bytes){l->data, (size_t)l->bytes});
    /* With another salt its entries are none; in the last that is known by witnesses: those but
     * the first. The number of a lone segment is whatever it says. */
    damage->must_refuse = field != 4 && field != 1;
    (void)snprintf(damage->what, sizeof damage->what, "%s: header with field %u changed", l->name,
                   field);
    return true;
}

/* A segment that goes missing: the newest nobody knows of, the oldest nobody may need. */
static bool is_missed(const char *const *names, int n, int i, uint64_t after_lsn)
{
    uint64_t next_lsn = 0;
    if (i + 1 == n)
        return false;
    REQUIRE(segment_parse_name(names[i + 1], &next_lsn));
    return i > 0 || next_lsn > after_lsn + 1;
}

/* Whole files. */
static bool do_files(struct simfs *fs, struct layout *l, const char *const *names, int n, int i,
                     struct rng *rng, uint64_t after_lsn, struct damage *damage)
{
    char other[FILE_NAME_MAX + 1];
    int j = (int)rng_below(rng, (uint64_t)n);
    (void)snprintf(other, sizeof other, "%s", names[j]);
    if (rng_below(rng, 3) == 0) {
        damage->must_refuse = is_missed(names, n, i, after_lsn);
        simfs_drop(fs, l->name);
        (void)snprintf(damage->what, sizeof damage->what, "%s: missing", l->name);
        return true;
    }
    if (i == j)
        segment_name(l->header.first_lsn + 1 + rng_below(rng, 3), other);
    struct bytes theirs = simfs_content(fs, other);
    bool doubled = theirs.data == NULL;
    uint8_t *copy = malloc(theirs.size + 1);
    REQUIRE(copy != NULL);
    if (!doubled) {
        memcpy(copy, theirs.data, theirs.size);
        simfs_put(fs, l->name, (struct bytes){copy, theirs.size});
    }
    free(copy);
    simfs_put(fs, other, (struct bytes){l->data, (size_t)l->bytes});
    damage->must_refuse = true;
    (void)snprintf(damage->what, sizeof damage->what, "%s: %s %s", l->name,
                   doubled ? "a second time as" : "swapped with", other);
    return true;
}

bool damage_do(struct simfs *fs, struct rng *rng, uint64_t after_lsn, struct damage *out_damage)
{
    static struct layout layout;
    const char *names[64];
    bool done;
    int n = segments(fs, names);
    if (n == 0)
        return false;
    int i = (int)rng_below(rng, (uint64_t)n);
    read_layout(fs, names[i], i + 1 == n, &layout);
    switch (rng_below(rng, 8)) {
    case 0:
        done = do_truncate(fs, &layout, rng, out_damage);
        break;
    case 1:
        done = do_files(fs, &layout, names, n, i, rng, after_lsn, out_damage);
        break;
    case 2:
        done = do_header(fs, &layout, rng, out_damage);
        break;
    default:
        done = do_bytes(fs, &layout, rng, out_damage);
        break;
    }
    free(layout.data);
    return done;
}
