/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Tells a torn tail from damage, by looking for a witness: an entry behind the bad place `end` that
 * was written when more than `end` had been synced.
 *
 *        end                               witness
 *   ------|xxxxxxxxx| ... | crc of the one before | length type version lsn synced ... crc |
 *    good  bad                      `-- its seed                          `-- > end: `end` had been
 *                                                                             synced: damage
 *
 * The chain of CRCs is broken at `end`, so a witness cannot be reached from there. It need not: the
 * CRC of an entry is begun with that of the entry before it, and this stands in the four bytes
 * before it. So every offset is tried on its own:
 *
 *   1. The head must be plausible: version, length within the file, an LSN that fits in between
 *      (each entry takes ENTRY_OVERHEAD bytes at least), end < synced <= own offset. Bytes that are
 *      no head pass that by a chance of about 2^-80.
 *   2. And the CRC must be right with the four bytes before it, or, for what follows the bad entry
 *      directly, with the CRC that this should have had: there may be but the CRC itself is bad.
 *   3. A watermark or shutdown has no body: its length, type and version are six known bytes. With
 *      1 that is more than a CRC says, so it needs none. That matters because they come last, with
 *      no entry behind them that could speak for what damage took together with their seed.
 *
 * Never damage is taken for torn, except where no witness is left: what was synced last and had
 * nothing written behind it. A torn tail is taken for damage only if somebody has put entries with
 * the right numbers into a value, and then nothing is lost by it.
 *
 * Threads: pure function. Failures: none. Work is bounded: above TAIL_WORK times the size of the
 * segment, which takes values made for it, the next plausible head is a witness.
 */
#include "server/wal/replay_tail.h"

#include "server/wal/little.h"

enum { TAIL_WORK = 16 };

struct search {
    const struct tail *tail;
    uint64_t work; /* bytes of CRC that may still be computed */
    uint64_t next; /* where the entry behind the bad one stands, if the length of that is right */
    uint32_t next_seed;
};

static struct entry head_at(const uint8_t *at)
{
    return (struct entry){.type = entry_type_at(at),
                          .lsn = entry_lsn_at(at),
                          .synced = little_read_u64(at + ENTRY_AT_SYNCED)};
}

static bool is_plausible(const struct tail *tail, uint64_t at, uint32_t length)
{
    struct entry head = head_at(tail->data.data + at);
    return length >= ENTRY_LENGTH_MIN && length <= tail->data.size - at - 4 &&
           head.synced > tail->end && head.synced <= at &&
           head.lsn - tail->last_lsn <= (at - tail->end) / ENTRY_OVERHEAD + 1;
}

static bool is_bare(uint8_t type, uint32_t length)
{
    return length == ENTRY_LENGTH_MIN && (type == ENTRY_WATERMARK || type == ENTRY_SHUTDOWN);
}

static bool crc_is_right(struct bytes rest, uint32_t seed)
{
    struct entry entry;
    size_t size;
    uint32_t crc;
    return entry_read(rest, seed, &entry, &size, &crc) == 0;
}

static bool is_witness(struct search *search, uint64_t at)
{
    const struct tail *tail = search->tail;
    struct bytes rest = {tail->data.data + at, tail->data.size - at};
    uint32_t length = little_read_u32(rest.data);
    if (!is_plausible(tail, at, length))
        return false;
    if (is_bare(entry_type_at(rest.data), length) || search->work < length)
        return true;
    search->work -= length;
    return crc_is_right(rest, little_read_u32(rest.data - ENTRY_TAIL_BYTES)) ||
           (at == search->next && crc_is_right(rest, search->next_seed));
}

/* Take the bad entry for one with nothing wrong but its CRC. */
static void guess_next(struct search *search)
{
    const struct tail *tail = search->tail;
    struct bytes rest = {tail->data.data + tail->end, tail->data.size - tail->end};
    if (rest.size < ENTRY_OVERHEAD)
        return;
    uint32_t length = little_read_u32(rest.data);
    if (length < ENTRY_LENGTH_MIN || length > rest.size - 4)
        return;
    search->next = tail->end + 4 + length;
    search->next_seed = entry_crc(rest.data, tail->seed);
}

/* The first offset from `at` on where the version of an entry stands in its place; or the end. */
static uint64_t next_head(struct bytes data, uint64_t at)
{
    if (data.size < ENTRY_OVERHEAD || at > data.size - ENTRY_OVERHEAD)
        return data.size;
    const uint8_t *from = data.data + at + ENTRY_AT_VERSION;
    const uint8_t *found = memchr(from, ENTRY_VERSION, data.size - ENTRY_OVERHEAD - (size_t)at + 1);
    return found == NULL ? data.size : at + (uint64_t)(found - from);
}

static uint64_t torn_bytes(const struct tail *tail)
{
    static const uint8_t zeros[4096];
    uint64_t size = tail->data.size;
    while (size - tail->end >= sizeof zeros &&
           memcmp(tail->data.data + size - sizeof zeros, zeros, sizeof zeros) == 0)
        size -= sizeof zeros;
    while (size > tail->end && tail->data.data[size - 1] == 0)
        size--;
    return size - tail->end;
}

void tail_examine(const struct tail *tail, struct tail_finding *out_finding)
{
    struct bytes data = tail->data;
    struct search search = {.tail = tail, .work = TAIL_WORK * (uint64_t)data.size};
    guess_next(&search);
    *out_finding = (struct tail_finding){.torn_bytes = torn_bytes(tail)};
    for (uint64_t at = next_head(data, tail->end + 1); at < data.size;
         at = next_head(data, at + 1)) {
        if (!is_witness(&search, at))
            continue;
        out_finding->damaged = true;
        out_finding->witness = at;
        out_finding->witness_lsn = head_at(data.data + at).lsn;
        return;
    }
}
