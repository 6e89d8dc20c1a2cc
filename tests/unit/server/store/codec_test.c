/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Effects as bytes: seeded random effects come back as they were; what is cut, longer or changed in
 * its structure is refused, and nothing behind the end is read.
 *
 * CAIRN_SEED sets the seed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "server/store/codec.h"

#include "common/err.h"
#include "common/mem.h"
#include "common/rng.h"
#include "server/wal/entry.h"

#include <stdio.h>
#include <stdlib.h>

enum { ROUNDS = 300, EFFECTS_MAX = 20, PIECE_MAX = 70 };

static uint8_t pool[4096];

static struct bytes some_bytes(struct rng *rng, size_t least)
{
    size_t size = least + rng_below(rng, PIECE_MAX);
    return (struct bytes){pool + rng_below(rng, sizeof pool - size), size};
}

static struct effect some_effect(struct rng *rng)
{
    struct effect effect = {.type = rng_below(rng, 3) == 0 ? EFFECT_DEL : EFFECT_PUT};
    effect.spec.key =
        (struct record_key){(uint32_t)rng_below(rng, UINT32_MAX),
                            (uint8_t)(1 + rng_below(rng, KIND_MAX)), some_bytes(rng, 1)};
    if (effect.type == EFFECT_DEL)
        return effect;
    effect.spec.text = rng_below(rng, 2) == 0;
    effect.spec.value = some_bytes(rng, 0);
    effect.spec.expires_at_ms = rng_below(rng, 2) == 0 ? 0 : 1 + (int64_t)rng_below(rng, 1 << 30);
    return effect;
}

static void assert_same(const struct effect *a, const struct effect *b)
{
    assert_int_equal(a->type, b->type);
    assert_int_equal(a->spec.key.run, b->spec.key.run);
    assert_int_equal(a->spec.key.kind, b->spec.key.kind);
    assert_true(bytes_equal(a->spec.key.bytes, b->spec.key.bytes));
    assert_int_equal(a->spec.text, b->spec.text);
    assert_true(bytes_equal(a->spec.value, b->spec.value));
    assert_true(a->spec.expires_at_ms == b->spec.expires_at_ms);
}

/* Read a body that may be bad; how many effects there were, or an error. */
static int read_all(uint8_t type, struct bytes body, struct effect *out_effects)
{
    struct codec_reader reader;
    bool more = true;
    int n = 0;
    int err = codec_open(&reader, type, body);
    while (err == 0) {
        struct effect effect;
        err = codec_next(&reader, &effect, &more);
        if (err != 0 || !more)
            break;
        out_effects[n++ % EFFECTS_MAX] = effect;
    }
    return err != 0 ? err : n;
}

static void round_trips(void **state)
{
    const char *seed = getenv("CAIRN_SEED");
    uint64_t number = seed != NULL ? strtoull(seed, NULL, 10) : 1;
    struct effect effects[EFFECTS_MAX], read[EFFECTS_MAX];
    struct rng rng;
    (void)state;
    print_message("seed %llu\n", (unsigned long long)number);
    rng.state = number;
    for (size_t i = 0; i < sizeof pool; i++)
        pool[i] = (uint8_t)rng_below(&rng, 256);
    for (int round = 0; round < ROUNDS; round++) {
        size_t n = 1 + rng_below(&rng, EFFECTS_MAX);
        for (size_t i = 0; i < n; i++)
            effects[i] = some_effect(&rng);
        uint8_t type = codec_type(effects, n);
        size_t size = codec_size(effects, n);
        uint8_t *body = mem_alloc(size); /* of exactly this size: no byte more is touched */
        codec_write(body, effects, n);
        assert_int_equal(read_all(type, (struct bytes){body, size}, read), n);
        for (size_t i = 0; i < n; i++)
            assert_same(&effects[i], &read[i]);
        for (size_t cut = 0; cut < size; cut++) {
            uint8_t *part = mem_alloc(cut + 1);
            memcpy(part, body, cut);
            assert_int_equal(read_all(type, (struct bytes){part, cut}, read), ERR_DATA_DAMAGED);
            part[cut] = 0;
            mem_free(part);
        }
        mem_free(body);
    }
}

static void refuses(void **state)
{
    struct effect read[EFFECTS_MAX];
    uint8_t body[] = {1, 0, 0, 0, KIND_kv, 0, 1, 0, 0, 0, 1, 0, 0, 0, 'k', 'v', 'x'};
    struct bytes put = {body, sizeof body - 1};
    (void)state;
    assert_int_equal(read_all(ENTRY_PUT, put, read), 1);
    assert_int_equal(read_all(ENTRY_PUT, (struct bytes){body, sizeof body}, read),
                     ERR_DATA_DAMAGED); /* more than an effect */
    assert_int_equal(read_all(ENTRY_WATERMARK, put, read), ERR_DATA_DAMAGED);
    assert_int_equal(read_all(0x77, put, read), ERR_DATA_DAMAGED);
    body[4] = KIND_NONE;
    assert_int_equal(read_all(ENTRY_PUT, put, read), ERR_DATA_DAMAGED);
    body[4] = KIND_MAX + 1;
    assert_int_equal(read_all(ENTRY_PUT, put, read), ERR_DATA_DAMAGED);
    body[4] = KIND_kv;
    body[5] = 4; /* a flag nobody knows */
    assert_int_equal(read_all(ENTRY_PUT, put, read), ERR_DATA_DAMAGED);
    body[5] = 0;
    memset(body + 6, 0xff, 8); /* sizes beyond everything */
    assert_int_equal(read_all(ENTRY_PUT, put, read), ERR_DATA_DAMAGED);
    memset(body, 0xff, 4); /* effects beyond everything */
    assert_int_equal(read_all(ENTRY_BATCH, put, read), ERR_DATA_DAMAGED);
}

static void records(void **state)
{
    struct record_spec spec = {{7, KIND_kv, bytes_of("key")}, true, bytes_of("value"), 99}, read;
    uint8_t data[256];
    size_t size = codec_record_size(&spec);
    const uint8_t *at = data;
    uint64_t version;
    (void)state;
    codec_write_record(data, &spec, 12345);
    assert_int_equal(codec_read_record(&at, data + size, &read, &version), 0);
    assert_ptr_equal(at, data + size);
    assert_true(version == 12345 && read.expires_at_ms == 99 && read.text);
    assert_true(bytes_equal(read.key.bytes, spec.key.bytes));
    assert_true(bytes_equal(read.value, spec.value));
    for (size_t cut = 0; cut < size; cut++) {
        at = data;
        assert_int_equal(codec_read_record(&at, data + cut, &read, &version), ERR_DATA_DAMAGED);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trips),
        cmocka_unit_test(refuses),
        cmocka_unit_test(records),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
