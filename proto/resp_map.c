/* SPDX-License-Identifier: BSD-3-Clause
 *
 * From the arguments of RESP commands to those of operations.
 *
 * Each function reads the arguments of a call in order and fills struct args_<op>. Bytes stay where
 * they are: keys are views, values get the header of a MessagePack bin in front of them. Texts of
 * errors are those of Redis 7, as clients show and match them; where a limit of ours is met the
 * text names it.
 *
 * Invariants
 *   1. Nothing is written over before it has been read, nor an argument read after that.
 *   2. What handlers expect of the decoder holds: sizes within limits, times from 1 to 2^53 - 1.
 *
 * Threads: pure functions.
 */
#include "proto/resp_impl.h"

#include "common/err.h"

#include <math.h>

#define MAP_TIME_MAX (((int64_t)1 << 53) - 1)

int resp_syntax(struct resp_call *call)
{
    return problem_set(call->problem, ERR_BAD_ARGUMENT, "syntax error");
}

static int map_bad_time(struct resp_call *call)
{
    return problem_set(call->problem, ERR_BAD_ARGUMENT, "invalid expire time in '%s' command",
                       call->command->name);
}

int resp_read_int(struct resp_call *call, struct bytes arg, int64_t *out)
{
    return num_read_int(arg, out) ? 0
                                  : problem_set(call->problem, ERR_BAD_ARGUMENT,
                                                "value is not an integer or out of range");
}

int resp_check_key(struct resp_call *call, size_t min, size_t max)
{
    if (min == 0)
        return problem_set(call->problem, ERR_BAD_ARGUMENT, "a key must not be empty");
    if (max > call->limits->key_bytes)
        return problem_set(call->problem, ERR_LIMIT_EXCEEDED,
                           "a key exceeds limits.key_bytes (%llu)",
                           (unsigned long long)call->limits->key_bytes);
    return 0;
}

/* With the header it will have. */
static int map_value_size(struct resp_call *call, size_t size)
{
    enum { HEADER_MAX = 5 };
    if (size + HEADER_MAX > call->limits->value_bytes)
        return problem_set(call->problem, ERR_LIMIT_EXCEEDED,
                           "the value exceeds limits.value_bytes (%llu)",
                           (unsigned long long)call->limits->value_bytes);
    return 0;
}

/* Read the next argument as the key, which all operations on one key have first. */
static int map_first_key(struct resp_call *call)
{
    struct bytes key = resp_next(&call->args);
    struct arg *arg = &call->request->args[0];
    *arg = (struct arg){.present = true, .text = true, .bytes = key};
    return resp_check_key(call, key.size, key.size);
}

/* Read the next argument as a value. */
static int map_value(struct resp_call *call, struct arg *out)
{
    struct bytes value = resp_next(&call->args);
    int err = map_value_size(call, value.size);
    if (err == 0)
        *out = (struct arg){.present = true, .bytes = resp_as_bin(value)};
    return err;
}

int resp_map_none(struct resp_call *call)
{
    (void)call;
    return 0;
}

int resp_map_key(struct resp_call *call)
{
    return map_first_key(call);
}

int resp_map_keys(struct resp_call *call)
{
    struct request *request = call->request;
    enum op_id one = request->op->id == OP_kv_mdel       ? OP_kv_del
                     : request->op->id == OP_kv_versions ? OP_kv_exists
                                                         : request->op->id;
    if (call->args.left == 1 && one != request->op->id) {
        request->op = &op_table[one];
        for (unsigned i = 0; i < request->op->n_args; i++)
            request->args[i].present = false;
        return map_first_key(call);
    }
    if (call->args.left > call->limits->items)
        return problem_set(call->problem, ERR_LIMIT_EXCEEDED, "the keys exceed limits.items (%llu)",
                           (unsigned long long)call->limits->items);
    struct resp_list list = resp_as_list(&call->args, false);
    request->args[0] = (struct arg){.present = true, .count = list.count, .bytes = list.bytes};
    return resp_check_key(call, list.key_min, list.key_max);
}

int resp_map_pairs(struct resp_call *call)
{
    struct args_kv_mput *a = (struct args_kv_mput *)call->request->args;
    if (call->args.left % 2 != 0)
        return problem_set(call->problem, ERR_BAD_ARGUMENT,
                           "wrong number of arguments for '%s' command", call->command->name);
    if (call->args.left / 2 > call->limits->items)
        return problem_set(call->problem, ERR_LIMIT_EXCEEDED,
                           "the pairs exceed limits.items (%llu)",
                           (unsigned long long)call->limits->items);
    struct resp_list list = resp_as_list(&call->args, true);
    a->pairs = (struct arg){.present = true, .count = list.count, .bytes = list.bytes};
    if (call->command->param & MAP_NX)
        resp_give_true(&a->if_absent);
    int err = resp_check_key(call, list.key_min, list.key_max);
    return err != 0 ? err : map_value_size(call, list.value_max);
}

/* ---- times ---- */

/* A number of seconds or milliseconds as milliseconds; no overflow with `base` added. */
static bool map_scale(int64_t number, int param, int64_t base, int64_t *out_ms)
{
    int64_t sum;
    if ((param & MAP_SECONDS) && __builtin_mul_overflow(number, 1000, &number))
        return false;
    *out_ms = number;
    return !__builtin_add_overflow(number, base, &sum);
}

/* An expiry that must lie ahead, from its text, into ttl_ms or expires_at_ms. */
static int map_expiry(struct resp_call *call, struct bytes text, int param, struct arg *ttl_ms,
                      struct arg *expires_at_ms)
{
    bool at = (param & MAP_AT) != 0;
    int64_t number, ms;
    int err = resp_read_int(call, text, &number);
    if (err != 0)
        return err;
    if (number <= 0 || !map_scale(number, param, at ? 0 : call->now_ms, &ms))
        return map_bad_time(call);
    resp_give_uint(at ? expires_at_ms : ttl_ms, ms < MAP_TIME_MAX ? ms : MAP_TIME_MAX);
    return 0;
}

/* Is this the word of an expiry option: EX PX EXAT PXAT? Its param. */
static bool map_is_expiry(struct bytes word, int *out_param)
{
    static const struct {
        const char *word;
        int param;
    } words[] = {{"ex", MAP_SECONDS}, {"px", 0}, {"exat", MAP_SECONDS | MAP_AT}, {"pxat", MAP_AT}};
    for (size_t i = 0; i < LENGTH_OF(words); i++) {
        if (resp_is(word, words[i].word)) {
            *out_param = words[i].param;
            return true;
        }
    }
    return false;
}

/* ---- strings ---- */

/* The options behind SET key value. */
static int map_set_options(struct resp_call *call, struct args_kv_put *a)
{
    struct bytes time = BYTES_NONE;
    int param = 0;
    while (call->args.left > 0) {
        struct bytes word = resp_next(&call->args);
        bool timed = time.data != NULL || a->keep_ttl.present;
        if (resp_is(word, "nx") && !a->if_exists.present)
            resp_give_true(&a->if_absent);
        else if (resp_is(word, "xx") && !a->if_absent.present)
            resp_give_true(&a->if_exists);
        else if (resp_is(word, "get"))
            resp_give_true(&a->return_old);
        else if (resp_is(word, "keepttl") && time.data == NULL)
            resp_give_true(&a->keep_ttl);
        else if (!timed && call->args.left > 0 && map_is_expiry(word, &param))
            time = resp_next(&call->args);
        else
            return resp_syntax(call);
    }
    return time.data == NULL ? 0 : map_expiry(call, time, param, &a->ttl_ms, &a->expires_at_ms);
}

int resp_map_set(struct resp_call *call)
{
    struct args_kv_put *a = (struct args_kv_put *)call->request->args;
    int err = map_first_key(call);
    if (err == 0)
        err = map_value(call, &a->value);
    return err != 0 || call->args.left == 0 ? err : map_set_options(call, a);
}

int resp_map_put(struct resp_call *call)
{
    struct args_kv_put *a = (struct args_kv_put *)call->request->args;
    if (call->command->param & MAP_NX)
        resp_give_true(&a->if_absent);
    if (call->command->param & MAP_GET)
        resp_give_true(&a->return_old);
    int err = map_first_key(call);
    return err != 0 ? err : map_value(call, &a->value);
}

int resp_map_setex(struct resp_call *call)
{
    struct args_kv_put *a = (struct args_kv_put *)call->request->args;
    int err = map_first_key(call);
    if (err == 0)
        err = map_expiry(call, resp_next(&call->args), call->command->param, &a->ttl_ms, NULL);
    return err != 0 ? err : map_value(call, &a->value);
}

int resp_map_getdel(struct resp_call *call)
{
    resp_give_true(&((struct args_kv_del *)call->request->args)->return_old);
    return map_first_key(call);
}

/* GETEX is a get, unless it changes the expiry: then that operation returns the value. */
int resp_map_getex(struct resp_call *call)
{
    struct request *request = call->request;
    int param = 0;
    int err = map_first_key(call);
    if (err != 0 || call->args.left == 0)
        return err;
    struct arg key = request->args[0];
    struct bytes word = resp_next(&call->args);
    bool persist = resp_is(word, "persist"), timed = map_is_expiry(word, &param);
    if (call->args.left != (timed ? 1 : 0) || !(persist || timed))
        return resp_syntax(call);
    request->op = &op_table[persist ? OP_kv_persist : OP_kv_expire];
    for (unsigned i = 0; i < request->op->n_args; i++)
        request->args[i].present = false;
    request->args[0] = key;
    if (persist) {
        resp_give_true(&((struct args_kv_persist *)request->args)->return_value);
        return 0;
    }
    struct args_kv_expire *a = (struct args_kv_expire *)request->args;
    resp_give_true(&a->return_value);
    return map_expiry(call, resp_next(&call->args), param, &a->ttl_ms, &a->expires_at_ms);
}

int resp_map_append(struct resp_call *call)
{
    struct args_kv_append *a = (struct args_kv_append *)call->request->args;
    int err = map_first_key(call);
    if (err != 0)
        return err;
    a->data = (struct arg){.present = true, .bytes = resp_next(&call->args)};
    return map_value_size(call, a->data.bytes.size);
}

int resp_map_by(struct resp_call *call)
{
    struct args_kv_incr *a = (struct args_kv_incr *)call->request->args;
    int64_t by = 1;
    int err = map_first_key(call);
    if (err == 0 && call->args.left > 0)
        err = resp_read_int(call, resp_next(&call->args), &by);
    if (err == 0 && call->command->param < 0 && by == INT64_MIN)
        err = problem_set(call->problem, ERR_BAD_ARGUMENT, "decrement would overflow");
    if (err == 0)
        a->delta = (struct arg){.present = true, .sint = by * call->command->param};
    return err;
}

int resp_map_by_real(struct resp_call *call)
{
    struct args_kv_incr_real *a = (struct args_kv_incr_real *)call->request->args;
    long double by = 0;
    int err = map_first_key(call);
    if (err != 0)
        return err;
    if (!num_read_real(resp_next(&call->args), &by) || !isfinite((double)by))
        return problem_set(call->problem, ERR_BAD_ARGUMENT, "value is not a valid float");
    a->delta = (struct arg){.present = true, .real = (double)by};
    return 0;
}

/* ---- keys ---- */

/* The conditions behind EXPIRE key time. */
static int map_expire_options(struct resp_call *call, struct args_kv_expire *a)
{
    while (call->args.left > 0) {
        struct bytes word = resp_next(&call->args);
        struct arg *arg = resp_is(word, "nx")   ? &a->if_none
                          : resp_is(word, "xx") ? &a->if_some
                          : resp_is(word, "gt") ? &a->if_later
                          : resp_is(word, "lt") ? &a->if_sooner
                                                : NULL;
        if (arg == NULL)
            return problem_set(call->problem, ERR_BAD_ARGUMENT, "Unsupported option %.*s",
                               (int)(word.size < 64 ? word.size : 64), (const char *)word.data);
        resp_give_true(arg);
    }
    if (a->if_none.present && (a->if_some.present || a->if_later.present || a->if_sooner.present))
        return problem_set(call->problem, ERR_BAD_ARGUMENT,
                           "NX and XX, GT or LT options at the same time are not compatible");
    if (a->if_later.present && a->if_sooner.present)
        return problem_set(call->problem, ERR_BAD_ARGUMENT,
                           "GT and LT options at the same time are not compatible");
    return 0;
}

int resp_map_expire(struct resp_call *call)
{
    struct args_kv_expire *a = (struct args_kv_expire *)call->request->args;
    int64_t number = 0, ms = 0, base = call->command->param & MAP_AT ? 0 : call->now_ms;
    int err = map_first_key(call);
    if (err != 0)
        return err;
    struct bytes time = resp_next(&call->args);
    err = map_expire_options(call, a);
    if (err == 0)
        err = resp_read_int(call, time, &number);
    if (err != 0)
        return err;
    if (!map_scale(number, call->command->param, base, &ms))
        return map_bad_time(call);
    if (base != 0 && ms > 0) { /* counted from when it is carried out */
        resp_give_uint(&a->ttl_ms, ms < MAP_TIME_MAX ? ms : MAP_TIME_MAX);
        return 0;
    }
    int64_t at = ms + base; /* a time that has passed deletes the key */
    resp_give_uint(&a->expires_at_ms, at < 1 ? 1 : at < MAP_TIME_MAX ? at : MAP_TIME_MAX);
    return 0;
}

/* A cursor is a number without sign; what does not fit is one that never was given out. */
static bool map_cursor(struct bytes arg, int64_t *out)
{
    return num_read_int(arg, out) && *out >= 0 && *out <= MAP_TIME_MAX;
}

int resp_map_scan(struct resp_call *call)
{
    struct args_kv_walk *a = (struct args_kv_walk *)call->request->args;
    int64_t cursor = 0, count = 10;
    const char *kind = "any";
    if (!map_cursor(resp_next(&call->args), &cursor))
        return problem_set(call->problem, ERR_BAD_ARGUMENT, "invalid cursor");
    while (call->args.left > 0) {
        struct bytes word = resp_next(&call->args);
        if (call->args.left == 0)
            return resp_syntax(call);
        struct bytes arg = resp_next(&call->args);
        if (resp_is(word, "match"))
            a->match = (struct arg){.present = true, .bytes = arg};
        else if (resp_is(word, "type"))
            kind = resp_is(arg, "string") ? "kv" : resp_is(arg, "vectorset") ? "collection" : NULL;
        else if (!resp_is(word, "count"))
            return resp_syntax(call);
        else if (resp_read_int(call, arg, &count) != 0)
            return call->problem->err;
        else if (count < 1)
            return resp_syntax(call);
    }
    if (a->match.present && a->match.bytes.size > call->limits->key_bytes)
        return problem_set(call->problem, ERR_LIMIT_EXCEEDED,
                           "the pattern exceeds limits.key_bytes (%llu)",
                           (unsigned long long)call->limits->key_bytes);
    int64_t most = (int64_t)call->limits->page_items;
    resp_give_uint(&a->limit, count < most ? count : most);
    resp_give_uint(&a->cursor, cursor);
    a->kind = (struct arg){.present = true, .bytes = bytes_of(kind == NULL ? "any" : kind)};
    if (kind == NULL) /* there are no others: a pattern that no key matches, as none is empty */
        a->match = (struct arg){.present = true, .bytes = {(const uint8_t *)"", 0}};
    return 0;
}

int resp_map_flush(struct resp_call *call)
{
    if (call->args.left == 0)
        return 0;
    struct bytes word = resp_next(&call->args);
    return call->args.left == 0 && (resp_is(word, "async") || resp_is(word, "sync"))
               ? 0
               : resp_syntax(call);
}

/* ---- connection ---- */

int resp_map_value(struct resp_call *call)
{
    return map_value(call, &call->request->args[0]);
}

int resp_map_ping(struct resp_call *call)
{
    if (call->args.left > 1)
        return problem_set(call->problem, ERR_BAD_ARGUMENT,
                           "wrong number of arguments for 'ping' command");
    return call->args.left == 0 ? 0 : resp_map_value(call);
}
