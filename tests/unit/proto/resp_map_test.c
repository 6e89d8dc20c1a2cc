/* SPDX-License-Identifier: BSD-3-Clause
 *
 * proto/resp_map: every spelling in the table becomes the operation and the arguments it should,
 * with every option, or is refused with the text of Redis.
 *
 * A row is a command, its arguments separated by spaces (_ is an empty one), and the request it
 * becomes, written as "op name=value...", or "!CODE text". The limits are low, and it is 1000 s
 * after 1970.
 */
#include "common/err.h"
#include "common/num.h"
#include "proto/resp_command.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define KEY_17    "seventeen_bytes__"
#define VALUE_59  "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define KEYS_16   "a b c d e f g h i j k l m n o p"
#define PAIRS_16  KEYS_16 " " KEYS_16

#define NOT_INT   "!BAD_ARGUMENT value is not an integer or out of range"
#define NOT_REAL  "!BAD_ARGUMENT value is not a valid float"
#define SYNTAX    "!BAD_ARGUMENT syntax error"
#define EMPTY_KEY "!BAD_ARGUMENT a key must not be empty"
#define LONG_KEY  "!LIMIT_EXCEEDED a key exceeds limits.key_bytes (16)"
#define LONG      "!LIMIT_EXCEEDED the value exceeds limits.value_bytes (64)"
#define MANY_KEYS "!LIMIT_EXCEEDED the keys exceed limits.items (16)"
#define BAD_TIME  "!BAD_ARGUMENT invalid expire time in "
#define BAD_ARITY "!BAD_ARGUMENT wrong number of arguments for "
#define NX_AND    "!BAD_ARGUMENT NX and XX, GT or LT options at the same time are not compatible"
#define GT_AND_LT "!BAD_ARGUMENT GT and LT options at the same time are not compatible"

struct row {
    const char *command, *request;
};

static const struct row plain[] = {
    {"get k", "kv.get key=k"},
    {"GET _", EMPTY_KEY},
    {"get " KEY_17, LONG_KEY},
    {"strlen k", "kv.strlen key=k"},
    {"getdel k", "kv.del key=k return_old"},
    {"getdel _", EMPTY_KEY},
    {"ttl k", "kv.ttl key=k"},
    {"pttl k", "kv.ttl key=k"},
    {"expiretime k", "kv.ttl key=k"},
    {"pexpiretime k", "kv.ttl key=k"},
    {"persist k", "kv.persist key=k"},
    {"type k", "kv.type key=k"},
    {"append k more", "kv.append key=k data=more"},
    {"append k " VALUE_59, "kv.append key=k data=" VALUE_59},
    {"append k " VALUE_59 "x", LONG},
    {"append _ x", EMPTY_KEY},
    {"dbsize", "kv.count"},
    {"flushall", "kv.clear"},
    {"flushdb ASYNC", "kv.clear"},
    {"flushdb sync", "kv.clear"},
    {"flushall now", SYNTAX},
    {"flushall sync async", SYNTAX},
    {"ping", "server.ping"},
    {"ping x", "server.ping payload=x"},
    {"ping " VALUE_59 "x", LONG},
    {"ping a b", BAD_ARITY "'ping' command"},
    {"echo _", "server.ping payload="},
};

static const struct row sets[] = {
    {"set k v", "kv.put key=k value=v"},
    {"set k _", "kv.put key=k value="},
    {"set k " VALUE_59, "kv.put key=k value=" VALUE_59},
    {"set k " VALUE_59 "x", LONG},
    {"set _ v", EMPTY_KEY},
    {"set " KEY_17 " v", LONG_KEY},
    {"set k v EX 10", "kv.put key=k value=v ttl_ms=10000"},
    {"set k v px 10", "kv.put key=k value=v ttl_ms=10"},
    {"set k v ExAt 10", "kv.put key=k value=v expires_at_ms=10000"},
    {"set k v pxat 10", "kv.put key=k value=v expires_at_ms=10"},
    {"set k v keepttl", "kv.put key=k value=v keep_ttl"},
    {"set k v nx", "kv.put key=k value=v if_absent"},
    {"set k v xx", "kv.put key=k value=v if_exists"},
    {"set k v get", "kv.put key=k value=v return_old"},
    {"set k v get nx ex 1", "kv.put key=k value=v ttl_ms=1000 if_absent return_old"},
    {"set k v xx xx keepttl keepttl get get", "kv.put key=k value=v keep_ttl if_exists return_old"},
    {"set k v px 9007199254740992", "kv.put key=k value=v ttl_ms=9007199254740991"},
    {"set k v exat 9223372036854775", "kv.put key=k value=v expires_at_ms=9007199254740991"},
    {"set k v nx xx", SYNTAX},
    {"set k v xx nx", SYNTAX},
    {"set k v ex", SYNTAX},
    {"set k v ex 1 px 1", SYNTAX},
    {"set k v ex 1 keepttl", SYNTAX},
    {"set k v keepttl ex 1", SYNTAX},
    {"set k v ex 0 nope", SYNTAX},
    {"set k v nope", SYNTAX},
    {"set k v _", SYNTAX},
    {"set k v ex 0", BAD_TIME "'set' command"},
    {"set k v px -1", BAD_TIME "'set' command"},
    {"set k v ex 9223372036854776", BAD_TIME "'set' command"},
    {"set k v px 9223372036854775807", BAD_TIME "'set' command"},
    {"set k v ex x", NOT_INT},
    {"set k v ex 010", NOT_INT},
    {"set k v ex 9223372036854775808", NOT_INT},
    {"setnx k v", "kv.put key=k value=v if_absent"},
    {"getset k v", "kv.put key=k value=v return_old"},
    {"getset k " VALUE_59 "x", LONG},
    {"setex k 10 v", "kv.put key=k value=v ttl_ms=10000"},
    {"psetex k 10 v", "kv.put key=k value=v ttl_ms=10"},
    {"setex k 0 v", BAD_TIME "'setex' command"},
    {"psetex k -5 v", BAD_TIME "'psetex' command"},
    {"setex k x v", NOT_INT},
    {"setex _ 1 v", EMPTY_KEY},
    {"setex k 1 " VALUE_59 "x", LONG},
};

static const struct row many[] = {
    {"mget a", "kv.mget keys=[a]"},
    {"mget a b a", "kv.mget keys=[a,b,a]"},
    {"mget " KEYS_16, "kv.mget keys=[a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p]"},
    {"mget q " KEYS_16, MANY_KEYS},
    {"mget a _", EMPTY_KEY},
    {"mget a " KEY_17, LONG_KEY},
    {"del a", "kv.del key=a"},
    {"del _", EMPTY_KEY},
    {"del a b", "kv.mdel keys=[a,b]"},
    {"unlink a", "kv.del key=a"},
    {"unlink a b", "kv.mdel keys=[a,b]"},
    {"exists a", "kv.exists key=a"},
    {"exists a a", "kv.versions keys=[a,a]"},
    {"touch a", "kv.exists key=a"},
    {"touch a b", "kv.versions keys=[a,b]"},
    {"touch q " KEYS_16, MANY_KEYS},
    {"mset a 1", "kv.mput pairs=[a:1]"},
    {"mset a 1 b _", "kv.mput pairs=[a:1,b:]"},
    {"msetnx a 1 b 2", "kv.mput pairs=[a:1,b:2] if_absent"},
    {"mset a 1 b", BAD_ARITY "'mset' command"},
    {"msetnx a 1 b", BAD_ARITY "'msetnx' command"},
    {"mset a 1 _ 2", EMPTY_KEY},
    {"mset a 1 " KEY_17 " 2", LONG_KEY},
    {"mset a " VALUE_59 "x b 2", LONG},
    {"mset q q " PAIRS_16, "!LIMIT_EXCEEDED the pairs exceed limits.items (16)"},
};

static const struct row numbers[] = {
    {"incr n", "kv.incr key=n delta=1"},
    {"decr n", "kv.incr key=n delta=-1"},
    {"incrby n 5", "kv.incr key=n delta=5"},
    {"incrby n -5", "kv.incr key=n delta=-5"},
    {"decrby n 5", "kv.incr key=n delta=-5"},
    {"decrby n -5", "kv.incr key=n delta=5"},
    {"incrby n -9223372036854775808", "kv.incr key=n delta=-9223372036854775808"},
    {"decrby n 9223372036854775807", "kv.incr key=n delta=-9223372036854775807"},
    {"decrby n -9223372036854775808", "!BAD_ARGUMENT decrement would overflow"},
    {"incrby n x", NOT_INT},
    {"incrby n 1.5", NOT_INT},
    {"decrby n _", NOT_INT},
    {"incr _", EMPTY_KEY},
    {"incrbyfloat n 0.5", "kv.incr_real key=n delta=0.5"},
    {"incrbyfloat n -1e3", "kv.incr_real key=n delta=-1000"},
    {"incrbyfloat n x", NOT_REAL},
    {"incrbyfloat n inf", NOT_REAL},
    {"incrbyfloat n nan", NOT_REAL},
    {"incrbyfloat n 1e400", NOT_REAL},
    {"incrbyfloat n _", NOT_REAL},
    {"incrbyfloat _ 1", EMPTY_KEY},
};

static const struct row times[] = {
    {"expire k 10", "kv.expire key=k ttl_ms=10000"},
    {"pexpire k 10", "kv.expire key=k ttl_ms=10"},
    {"expireat k 10", "kv.expire key=k expires_at_ms=10000"},
    {"pexpireat k 10", "kv.expire key=k expires_at_ms=10"},
    {"expire k 10 NX", "kv.expire key=k ttl_ms=10000 if_none"},
    {"expire k 10 xx", "kv.expire key=k ttl_ms=10000 if_some"},
    {"expire k 10 gt", "kv.expire key=k ttl_ms=10000 if_later"},
    {"expire k 10 lt xx", "kv.expire key=k ttl_ms=10000 if_some if_sooner"},
    {"expire k 0", "kv.expire key=k expires_at_ms=1000000"},
    {"expire k -1", "kv.expire key=k expires_at_ms=999000"},
    {"expire k -9223372036854775", "kv.expire key=k expires_at_ms=1"},
    {"expireat k 0", "kv.expire key=k expires_at_ms=1"},
    {"pexpireat k -9223372036854775808", "kv.expire key=k expires_at_ms=1"},
    {"pexpireat k 9223372036854775807", "kv.expire key=k expires_at_ms=9007199254740991"},
    {"pexpire k 9007199254740992", "kv.expire key=k ttl_ms=9007199254740991"},
    {"expire k 9223372036854776", BAD_TIME "'expire' command"},
    {"expire k -9223372036854776", BAD_TIME "'expire' command"},
    {"pexpire k 9223372036854775807", BAD_TIME "'pexpire' command"},
    {"expireat k 9223372036854776", BAD_TIME "'expireat' command"},
    {"expire k x", NOT_INT},
    {"expire k x nope", "!BAD_ARGUMENT Unsupported option nope"},
    {"expire k 10 _", "!BAD_ARGUMENT Unsupported option "},
    {"expire k 10 nx xx", NX_AND},
    {"expire k 10 gt nx", NX_AND},
    {"expire k 10 nx lt", NX_AND},
    {"expire k 10 gt lt", GT_AND_LT},
    {"expire _ 10", EMPTY_KEY},
    {"getex k", "kv.get key=k"},
    {"getex k persist", "kv.persist key=k return_value"},
    {"getex k EX 5", "kv.expire key=k ttl_ms=5000 return_value"},
    {"getex k px 5", "kv.expire key=k ttl_ms=5 return_value"},
    {"getex k exat 5", "kv.expire key=k expires_at_ms=5000 return_value"},
    {"getex k pxat 5", "kv.expire key=k expires_at_ms=5 return_value"},
    {"getex k ex", SYNTAX},
    {"getex k ex 5 persist", SYNTAX},
    {"getex k persist 5", SYNTAX},
    {"getex k nope", SYNTAX},
    {"getex k ex 0", BAD_TIME "'getex' command"},
    {"getex k ex x", NOT_INT},
    {"getex _ ex 1", EMPTY_KEY},
};

static const struct row scans[] = {
    {"scan 0", "kv.walk cursor=0 limit=10 kind=any"},
    {"scan 9007199254740991", "kv.walk cursor=9007199254740991 limit=10 kind=any"},
    {"scan 5 match a* COUNT 7 type string", "kv.walk cursor=5 match=a* limit=7 kind=kv"},
    {"scan 0 count 1 count 2 match a match b", "kv.walk cursor=0 match=b limit=2 kind=any"},
    {"scan 0 count 9223372036854775807", "kv.walk cursor=0 limit=20 kind=any"},
    {"scan 0 type String", "kv.walk cursor=0 limit=10 kind=kv"},
    {"scan 0 type hash match *", "kv.walk cursor=0 match= limit=10 kind=any"},
    {"scan 0 match " KEY_17, "!LIMIT_EXCEEDED the pattern exceeds limits.key_bytes (16)"},
    {"scan 0 type VectorSet", "kv.walk cursor=0 limit=10 kind=collection"},
    {"scan x", "!BAD_ARGUMENT invalid cursor"},
    {"scan -1", "!BAD_ARGUMENT invalid cursor"},
    {"scan 9007199254740992", "!BAD_ARGUMENT invalid cursor"},
    {"scan _", "!BAD_ARGUMENT invalid cursor"},
    {"scan 0 match", SYNTAX},
    {"scan 0 count 0", SYNTAX},
    {"scan 0 count -1", SYNTAX},
    {"scan 0 nope 1", SYNTAX},
    {"scan 0 count x", NOT_INT},
};

/* ---- a request as text ---- */

static char shown[500];
static size_t shown_size;

static void say(const char *format, ...) PRINTF_LIKE(1, 2);

static void say(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    shown_size += (size_t)vsnprintf(shown + shown_size, sizeof shown - shown_size, format, args);
    va_end(args);
    assert_true(shown_size < sizeof shown);
}

static void say_bytes(struct bytes bytes)
{
    say("%.*s", (int)bytes.size, (const char *)bytes.data);
}

static struct mp take(struct mp_reader *reader, enum mp_kind kind)
{
    struct mp mp = {0};
    assert_int_equal(mp_read(reader, &mp), 0);
    assert_int_equal(mp.kind, kind);
    return mp;
}

static void say_list(const struct arg *arg, bool pairs)
{
    struct mp_reader reader = mp_reader_of(arg->bytes);
    for (uint32_t i = 0; i < arg->count; i++) {
        if (pairs)
            assert_int_equal(take(&reader, MP_ARRAY).count, 2);
        say(i == 0 ? "[" : ",");
        say_bytes(take(&reader, MP_STR).bytes);
        say(pairs ? ":" : "");
        if (pairs)
            say_bytes(take(&reader, MP_BIN).bytes);
    }
    say("]");
    assert_true(mp_at_end(&reader));
}

static void say_real(double real)
{
    char text[NUM_REAL_SIZE];
    num_format_real(real, text);
    say("%s", text);
}

static void say_value(const struct arg *arg)
{
    struct mp_reader reader = mp_reader_of(arg->bytes);
    say_bytes(take(&reader, MP_BIN).bytes);
    assert_true(mp_at_end(&reader));
}

static void say_arg(const struct arg_desc *desc, const struct arg *arg)
{
    say(desc->type == ARG_BOOL ? " %s" : " %s=", desc->name);
    if (desc->type == ARG_BOOL)
        assert_true(arg->boolean);
    else if (desc->type == ARG_INT)
        say("%" PRId64, arg->sint);
    else if (desc->type == ARG_UINT)
        say("%" PRIu64, arg->uint);
    else if (desc->type == ARG_REAL)
        say_real(arg->real);
    else if (desc->type == ARG_KEYS || desc->type == ARG_PAIRS)
        say_list(arg, desc->type == ARG_PAIRS);
    else if (desc->type == ARG_VALUE)
        say_value(arg);
    else
        say_bytes(arg->bytes);
}

static void say_request(const struct request *request)
{
    shown_size = 0;
    say("%s", request->op->name);
    for (unsigned i = 0; i < request->op->n_args; i++) {
        const struct arg *arg = &request->args[i];
        const struct arg_desc *desc = &request->op->args[i];
        if (arg->present)
            say_arg(desc, arg);
        else
            assert_int_not_equal(desc->place, ARG_REQUIRED);
        if (arg->present && desc->type == ARG_KEY)
            assert_true(arg->text); /* keys of RESP are text where they are UTF-8 */
    }
    assert_false(request->all.run.present || request->all.durability.present);
}

/* ---- running ---- */

static struct limits limits;
static unsigned good[RESP_COUNT]; /* rows of each command that become requests */

static void add_words(struct buf *message, const char *command)
{
    struct buf words = {0};
    size_t count = 0;
    for (const char *p = command; *p != 0; count++) {
        size_t size = strcspn(p, " ");
        bool empty = size == 1 && *p == '_';
        struct bytes word = {(const uint8_t *)p, empty ? 0 : size};
        assert_int_equal(resp_put_bulk(&words, word), 0);
        p += size + (p[size] == ' ');
    }
    assert_int_equal(resp_put_array(message, count), 0);
    assert_int_equal(buf_append(message, words.data, words.size), 0);
    buf_deinit(&words);
}

static void check_row(const struct row *row)
{
    struct resp_scan scan = {0};
    struct problem problem = {0};
    struct request request;
    struct buf message = {0}, scratch = {0};
    size_t need;
    add_words(&message, row->command);
    assert_int_equal(resp_scan(&scan, buf_bytes(&message), &need, &problem), 0);
    struct resp_reader args = resp_reader_of(&scan, message.data);
    const struct resp_command *command = resp_find(resp_next(&args));
    assert_non_null(command);
    assert_true(resp_arity_fits(command, args.left));
    memset(&request, 0xa5, sizeof request);
    struct resp_call call = {.command = command,
                             .args = args,
                             .limits = &limits,
                             .now_ms = 1000000,
                             .scratch = &scratch,
                             .request = &request,
                             .problem = &problem};
    int err = resp_map(&call);
    if (err == 0) {
        say_request(&request);
        good[command->id]++;
    } else {
        assert_int_equal(problem.err, err);
        shown_size = 0;
        say("!%s %s", err_name(err), problem.text);
    }
    if (strcmp(shown, row->request) != 0)
        print_error("%s\n", row->command);
    assert_string_equal(shown, row->request);
    buf_deinit(&message);
    buf_deinit(&scratch);
}

static void every_row(void **state)
{
    (void)state;
    static const struct {
        const struct row *rows;
        size_t n;
    } tables[] = {
        {plain, LENGTH_OF(plain)},     {sets, LENGTH_OF(sets)},   {many, LENGTH_OF(many)},
        {numbers, LENGTH_OF(numbers)}, {times, LENGTH_OF(times)}, {scans, LENGTH_OF(scans)},
    };
    for (size_t t = 0; t < LENGTH_OF(tables); t++)
        for (size_t i = 0; i < tables[t].n; i++)
            check_row(&tables[t].rows[i]);
    for (unsigned i = 0; i < RESP_COUNT; i++) {
        if (resp_table[i].op >= 0 && good[i] == 0 && strcmp(resp_table[i].group, "vector_set") != 0)
            fail_msg("no row for %s", resp_table[i].name);
    }
}

/* However long an option is, its error has room. */
static void long_options(void **state)
{
    (void)state;
    static char command[5000], request[200];
    memset(command, 'o', sizeof command - 1);
    memcpy(command, "expire k 1 ", 11);
    (void)snprintf(request, sizeof request, "!BAD_ARGUMENT Unsupported option %.64s", command + 11);
    check_row(&(struct row){command, request});
}

static int set_up(void **state)
{
    (void)state;
    op_init();
    resp_init();
    limits = limits_default();
    limits.key_bytes = 16;
    limits.value_bytes = 64;
    limits.items = 16;
    limits.page_items = 20;
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row),
        cmocka_unit_test(long_options),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
