/* SPDX-License-Identifier: BSD-3-Clause
 *
 * From the arguments of vector set commands (VADD, VSIM, ...) to those of vec.*.
 *
 *   VADD key VALUES 2 1 0.5 a M 8     vec.upsert ["key", "a", bin, {create, return_added, m: 8}]
 *   VSIM key ELE a COUNT 5            vec.search ["key", {key: "a", k: 5, ef: 100}]
 *
 * A vector that comes as text becomes a bin of floats in the place of its numbers, each of which
 * had at least seven bytes on the wire. Attributes (JSON) and filters (expressions) become
 * MessagePack in call->scratch.
 *
 * Invariants
 *   1. As resp_map.c has them.
 *   2. A number is written only over numbers that have been read: the header of a bin of up to
 *      VECTOR_DIM_MAX floats has 2 bytes, or 3 from 64 floats on.
 *
 * Threads: pure functions.
 */
#include "common/err.h"
#include "proto/filter_expr.h"
#include "proto/json_read.h"
#include "proto/pack.h"
#include "proto/resp_impl.h"

#include <endian.h>

enum {
    VECTOR_DIM_MAX = 8192,
    VSIM_EF = 100, /* what Redis takes if no EF is given */
    EF_MAX = 1000000,
};

#define COUNT_MAX (((int64_t)1 << 53) - 1) /* as in the other protocol; the operation's is less */

static int vec_wrong(struct resp_call *call, const char *text)
{
    return problem_set(call->problem, ERR_BAD_ARGUMENT, "%s", text);
}

/* ---- what all have ---- */

/* The key of the vector set: the collection, which is the first argument of every operation. */
static int vec_collection(struct resp_call *call)
{
    struct bytes name = resp_next(&call->args);
    call->request->args[0] = (struct arg){.present = true, .text = true, .bytes = name};
    if (name.size == 0)
        return vec_wrong(call, "a key must not be empty");
    if (name.size > call->limits->name_bytes)
        return problem_set(call->problem, ERR_LIMIT_EXCEEDED,
                           "the key of a vector set exceeds limits.name_bytes (%llu)",
                           (unsigned long long)call->limits->name_bytes);
    return 0;
}

static int vec_element(struct resp_call *call, struct arg *out)
{
    struct bytes element = resp_next(&call->args);
    *out = (struct arg){.present = true, .text = true, .bytes = element};
    return resp_check_key(call, element.size, element.size);
}

/* A number from 1 to max behind an option. */
static int vec_number(struct resp_call *call, int64_t max, const char *wrong, int64_t *out)
{
    if (call->args.left == 0 || !num_read_int(resp_next(&call->args), out) || *out < 1 ||
        *out > max)
        return vec_wrong(call, wrong);
    return 0;
}

int resp_map_vset(struct resp_call *call)
{
    return vec_collection(call);
}

int resp_map_velement(struct resp_call *call)
{
    int err = vec_collection(call);
    return err != 0 ? err : vec_element(call, &call->request->args[1]);
}

int resp_map_vmember(struct resp_call *call)
{
    int err = vec_collection(call);
    if (err != 0)
        return err;
    if (call->request->op->id == OP_vec_delete)
        resp_give_true(&((struct args_vec_delete *)call->request->args)->drop_empty);
    if (call->request->op->id == OP_vec_get_many) {
        struct args_vec_get_many *a = (struct args_vec_get_many *)call->request->args;
        a->with_vectors = (struct arg){.present = true, .boolean = false};
    }
    struct resp_list list = resp_as_list(&call->args, false);
    call->request->args[1] =
        (struct arg){.present = true, .count = list.count, .bytes = list.bytes};
    return resp_check_key(call, list.key_min, list.key_max);
}

int resp_map_vemb(struct resp_call *call)
{
    int err = resp_map_velement(call);
    if (err != 0 || call->args.left == 0)
        return err;
    if (resp_is(resp_next(&call->args), "raw") && call->args.left == 0)
        return vec_wrong(call, "VEMB RAW is not supported: vectors are kept as 32-bit floats, "
                               "which VEMB without RAW returns");
    return vec_wrong(call, "invalid option");
}

int resp_map_vlinks(struct resp_call *call)
{
    int err = resp_map_velement(call);
    if (err != 0 || call->args.left == 0)
        return err;
    call->shape = RESP_SHAPE_LINKS_SCORES;
    bool fits = resp_is(resp_next(&call->args), "withscores") && call->args.left == 0;
    return fits ? 0 : resp_syntax(call);
}

/* A negative count is of draws from all elements. */
int resp_map_vrandmember(struct resp_call *call)
{
    struct args_vec_sample *a = (struct args_vec_sample *)call->request->args;
    int64_t count = 1;
    int err = vec_collection(call);
    if (err != 0 || call->args.left == 0)
        return err;
    call->shape = RESP_SHAPE_VALUES;
    err = resp_read_int(call, resp_next(&call->args), &count);
    if (err == 0 && (call->args.left > 0 || count < -INT64_MAX))
        err = resp_syntax(call);
    if (err != 0)
        return err;
    int64_t drawn = count < 0 ? -count : count;
    resp_give_uint(&a->count, drawn < COUNT_MAX ? drawn : COUNT_MAX);
    if (count < 0)
        resp_give_true(&a->repeat);
    return 0;
}

/* ---- vectors ---- */

static int vec_bad_vector(struct resp_call *call)
{
    return vec_wrong(call, "invalid vector specification");
}

static int vec_fp32(struct resp_call *call, struct arg *out)
{
    if (call->args.left == 0)
        return vec_bad_vector(call);
    struct bytes blob = resp_next(&call->args);
    if (blob.size == 0 || blob.size % sizeof(float) != 0)
        return vec_bad_vector(call);
    *out = (struct arg){.present = true, .bytes = resp_as_bin(blob)};
    return 0;
}

/* The header of a bin of so many bytes, at most 65535; returns the end. */
static uint8_t *vec_write_header(uint8_t *to, size_t size)
{
    if (size <= UINT8_MAX) {
        *to++ = 0xc4;
    } else {
        *to++ = 0xc5;
        *to++ = (uint8_t)(size >> 8);
    }
    *to++ = (uint8_t)size;
    return to;
}

static int vec_values(struct resp_call *call, struct arg *out)
{
    int64_t dim;
    if (call->args.left == 0 || !num_read_int(resp_next(&call->args), &dim) || dim < 1 ||
        dim > VECTOR_DIM_MAX || dim > call->args.left)
        return vec_bad_vector(call);
    uint8_t *start = call->args.at, *to = start;
    for (int64_t i = 0; i < dim; i++) {
        long double value;
        if (!num_read_real(resp_next(&call->args), &value))
            return vec_bad_vector(call);
        float element = (float)value;
        uint32_t bits;
        memcpy(&bits, &element, sizeof bits);
        bits = htole32(bits);
        if (i == 0)
            to = vec_write_header(to, (size_t)dim * sizeof bits);
        memcpy(to, &bits, sizeof bits);
        to += sizeof bits;
    }
    *out = (struct arg){.present = true, .bytes = {start, (size_t)(to - start)}};
    return 0;
}

/* FP32 blob | VALUES n number..., of which `word` is the first. */
static int vec_vector(struct resp_call *call, struct bytes word, struct arg *out)
{
    if (resp_is(word, "fp32"))
        return vec_fp32(call, out);
    return resp_is(word, "values") ? vec_values(call, out) : vec_bad_vector(call);
}

/* ---- attributes ---- */

/* JSON, of which filters want an object, as metadata; "" is nil. */
static int vec_attributes(struct resp_call *call, struct bytes json, struct arg *out)
{
    struct buf *scratch = call->scratch;
    scratch->size = 0;
    int err = json.size == 0
                  ? pack_nil(scratch)
                  : json_read_object(json, (unsigned)call->limits->nesting, scratch, call->problem);
    if (err == 0 && scratch->size > call->limits->value_bytes)
        err = problem_set(call->problem, ERR_LIMIT_EXCEEDED,
                          "the attributes exceed limits.value_bytes (%llu)",
                          (unsigned long long)call->limits->value_bytes);
    *out = (struct arg){.present = true, .bytes = buf_bytes(scratch)};
    return err;
}

int resp_map_vsetattr(struct resp_call *call)
{
    int err = vec_collection(call);
    if (err == 0)
        err = vec_element(call, &call->request->args[1]);
    return err != 0 ? err : vec_attributes(call, resp_next(&call->args), &call->request->args[2]);
}

/* ---- VADD ---- */

/* Attributes that are not given stay as they are; "" removes them. */
static int vadd_attributes(struct resp_call *call, struct args_vec_upsert *a)
{
    if (call->args.left == 0)
        return vec_wrong(call, "invalid option after element");
    struct bytes json = resp_next(&call->args);
    a->keep_metadata.boolean = false;
    int err = vec_attributes(call, json, &a->metadata);
    a->metadata.present = json.size > 0;
    return err;
}

static void vadd_quantization(struct args_vec_upsert *a, const char *word)
{
    a->quantization = (struct arg){.present = true, .text = true, .bytes = bytes_of(word)};
}

static int vadd_options(struct resp_call *call, struct args_vec_upsert *a)
{
    int64_t number = 0;
    int err = 0;
    while (call->args.left > 0 && err == 0) {
        struct bytes word = resp_next(&call->args);
        if (resp_is(word, "cas"))
            continue; /* it is linked by workers in any case */
        if (resp_is(word, "noquant")) {
            vadd_quantization(a, "none");
        } else if (resp_is(word, "q8")) {
            vadd_quantization(a, "int8_only");
        } else if (resp_is(word, "bin")) {
            err = vec_wrong(call, "BIN is not supported: take Q8 or NOQUANT");
        } else if (resp_is(word, "setattr")) {
            err = vadd_attributes(call, a);
        } else if (resp_is(word, "ef")) {
            err = vec_number(call, EF_MAX, "invalid EF", &number);
        } else if (resp_is(word, "m")) {
            err = vec_number(call, UINT16_MAX, "invalid M", &number);
            resp_give_uint(&a->m, number);
        } else {
            err = vec_wrong(call, "invalid option after element");
        }
    }
    return err;
}

int resp_map_vadd(struct resp_call *call)
{
    struct args_vec_upsert *a = (struct args_vec_upsert *)call->request->args;
    int err = vec_collection(call);
    if (err != 0)
        return err;
    struct bytes word = resp_next(&call->args);
    if (resp_is(word, "reduce"))
        return vec_wrong(call, "REDUCE is not supported: reduce vectors before they are added");
    err = vec_vector(call, word, &a->vector);
    if (err == 0 && call->args.left == 0)
        err = vec_wrong(call, "wrong number of arguments for 'vadd' command");
    if (err == 0)
        err = vec_element(call, &a->key);
    resp_give_true(&a->create);
    resp_give_true(&a->return_added);
    resp_give_true(&a->keep_metadata);
    return err != 0 ? err : vadd_options(call, a);
}

/* ---- VSIM ---- */

/* What it is searched for. */
static int vsim_target(struct resp_call *call, struct args_vec_search *a)
{
    struct bytes word = resp_next(&call->args);
    if (!resp_is(word, "ele"))
        return vec_vector(call, word, &a->vector);
    return call->args.left == 0 ? vec_bad_vector(call) : vec_element(call, &a->key);
}

/* Redis measures distances from 0 to 1: (1 - cosine) / 2. */
static int vsim_epsilon(struct resp_call *call, struct arg *min_score)
{
    long double epsilon;
    if (call->args.left == 0 || !num_read_real(resp_next(&call->args), &epsilon) || epsilon <= 0)
        return vec_wrong(call, "invalid EPSILON");
    *min_score = (struct arg){.present = true, .real = (double)(1 - 2 * epsilon)};
    return 0;
}

/* An option with a number, or none of them: *out_known is false. */
static int vsim_number(struct resp_call *call, struct bytes word, struct args_vec_search *a,
                       bool *out_known)
{
    enum { UINT_MAX_53 = 53 };
    const int64_t most = ((int64_t)1 << UINT_MAX_53) - 1;
    int64_t number = 0;
    int err;
    *out_known = true;
    if (resp_is(word, "count")) {
        err = vec_number(call, most, "invalid COUNT", &number);
        resp_give_uint(&a->k, number);
    } else if (resp_is(word, "ef")) {
        err = vec_number(call, EF_MAX, "invalid EF", &number);
        resp_give_uint(&a->ef, number);
    } else if (resp_is(word, "filter-ef")) { /* a filter loses nothing here, whatever the effort */
        err = vec_number(call, most, "invalid FILTER-EF", &number);
    } else {
        *out_known = false;
        err = 0;
    }
    return err;
}

static int vsim_filter(struct resp_call *call, struct arg *filter)
{
    if (call->args.left == 0)
        return vec_wrong(call, "syntax error in VSIM command");
    call->scratch->size = 0;
    int err = filter_expr_read(resp_next(&call->args), call->scratch, call->problem);
    if (err == 0 && call->scratch->size > call->limits->value_bytes)
        err = problem_set(call->problem, ERR_LIMIT_EXCEEDED,
                          "the filter exceeds limits.value_bytes (%llu)",
                          (unsigned long long)call->limits->value_bytes);
    *filter = (struct arg){.present = true, .bytes = buf_bytes(call->scratch)};
    return err;
}

static int vsim_options(struct resp_call *call, struct args_vec_search *a)
{
    bool scores = false, attributes = false, known;
    int err = 0;
    while (call->args.left > 0 && err == 0) {
        struct bytes word = resp_next(&call->args);
        err = vsim_number(call, word, a, &known);
        if (known || resp_is(word, "nothread"))
            continue;
        if (resp_is(word, "withscores"))
            scores = true;
        else if (resp_is(word, "withattribs"))
            attributes = true;
        else if (resp_is(word, "filter"))
            err = vsim_filter(call, &a->filter);
        else if (resp_is(word, "truth"))
            resp_give_true(&a->exact);
        else if (resp_is(word, "epsilon"))
            err = vsim_epsilon(call, &a->min_score);
        else
            err = vec_wrong(call, "syntax error in VSIM command");
    }
    if (attributes)
        resp_give_true(&a->with_metadata);
    call->shape = scores && attributes ? RESP_SHAPE_HITS_BOTH
                  : scores             ? RESP_SHAPE_HITS_SCORES
                  : attributes         ? RESP_SHAPE_HITS_ATTRIBUTES
                                       : RESP_SHAPE_HITS;
    return err;
}

int resp_map_vsim(struct resp_call *call)
{
    struct args_vec_search *a = (struct args_vec_search *)call->request->args;
    int err = vec_collection(call);
    if (err == 0)
        err = vsim_target(call, a);
    resp_give_uint(&a->ef, VSIM_EF);
    return err != 0 ? err : vsim_options(call, a);
}
