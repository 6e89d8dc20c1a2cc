/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Fuzzes the decoder of requests and responses: a cut message is only waited for or gives what the
 * whole gives; every view of an accepted request lies inside the message and keeps to type and
 * limits; a refused message ends where mp_scan says. The first byte chooses the limits.
 */
#include "common/check.h"
#include "common/err.h"
#include "common/rng.h"
#include "proto/rpc.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct decoded {
    enum rpc_result result;
    struct request request;
    struct problem problem;
    size_t size;
};

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    op_init();
    return 0;
}

static struct limits limits_chosen(uint8_t choice)
{
    struct limits limits = limits_default();
    limits.nesting = 16 + (choice & 0x0f) + ((choice & 0x0f) != 0);
    if (choice & 0x10) {
        limits.key_bytes = 16;
        limits.value_bytes = 64;
        limits.name_bytes = 16;
        limits.items = 16;
    }
    return limits;
}

static void decode(struct bytes data, const struct limits *limits, struct decoded *out)
{
    memset(&out->request, 0xa5, sizeof out->request); /* nothing may be used that was not set */
    memset(&out->problem, 0, sizeof out->problem);
    out->size = 0;
    out->result = rpc_decode(data, limits, &out->request, &out->problem, &out->size);
}

static void check_inside(struct bytes view, struct bytes message)
{
    REQUIRE(view.data >= message.data && view.data <= message.data + message.size);
    REQUIRE(view.size <= (size_t)(message.data + message.size - view.data));
}

static void check_limits(const struct arg *arg, enum arg_type type, const struct limits *limits)
{
    switch (type) {
    case ARG_KEY:
        REQUIRE(arg->bytes.size >= 1 && arg->bytes.size <= limits->key_bytes);
        break;
    case ARG_BYTES:
        REQUIRE(arg->bytes.size <= limits->key_bytes);
        break;
    case ARG_NAME:
        REQUIRE(arg->bytes.size >= 1 && arg->bytes.size <= limits->name_bytes);
        break;
    case ARG_DATA:
    case ARG_VALUE:
    case ARG_ARRAY:
    case ARG_MAP:
    case ARG_VECTOR:
        REQUIRE(arg->bytes.size <= limits->value_bytes);
        break;
    case ARG_UINT:
        REQUIRE(arg->uint < (uint64_t)1 << 53);
        break;
    case ARG_REAL:
        REQUIRE(arg->real - arg->real == 0);
        break;
    case ARG_INT:
    case ARG_BOOL:
    case ARG_TYPE_COUNT:
        break;
    case ARG_KEYS:
    case ARG_PAIRS:
    case ARG_CALLS:
    case ARG_ITEMS:
    case ARG_CONDITIONS:
        REQUIRE(arg->count <= limits->items);
    }
}

/* The elements of a list or the value are complete and fill their view exactly. */
static void check_elements(const struct arg *arg, enum arg_type type)
{
    struct mp_reader reader = mp_reader_of(arg->bytes);
    uint32_t count = type < ARG_KEYS ? 1 : arg->count;
    for (uint32_t i = 0; i < count; i++)
        REQUIRE(mp_skip(&reader, MP_DEPTH_MAX) == 0);
    REQUIRE(mp_at_end(&reader));
}

static void check_arg(const struct arg *arg, const struct arg_desc *desc, struct bytes message,
                      const struct limits *limits)
{
    enum arg_type type = desc->type;
    if (!arg->present) {
        REQUIRE(desc->place != ARG_REQUIRED);
        return;
    }
    if (type != ARG_INT && type != ARG_UINT && type != ARG_REAL && type != ARG_BOOL)
        check_inside(arg->bytes, message);
    check_limits(arg, type, limits);
    if (type == ARG_VALUE || type == ARG_ARRAY || type == ARG_MAP || type == ARG_VECTOR ||
        type >= ARG_KEYS)
        check_elements(arg, type);
}

static void check_request(const struct request *request, struct bytes message,
                          const struct limits *limits)
{
    const struct arg *all = &request->all.run;
    for (unsigned i = 0; i < request->op->n_args; i++)
        check_arg(&request->args[i], &request->op->args[i], message, limits);
    for (unsigned i = 0; i < OP_ARGS_OF_ALL; i++)
        check_arg(&all[i], &op_args_of_all[i], message, limits);
}

/* The calls of a batch, which its handler decodes later from the checked list. */
static void check_calls(const struct request *request, const struct limits *limits)
{
    const struct arg *calls = &request->args[0];
    struct mp_reader reader = mp_reader_of(calls->bytes);
    for (uint32_t i = 0; i < calls->count; i++) {
        struct request call;
        struct problem problem;
        struct mp pair;
        memset(&call, 0xa5, sizeof call);
        REQUIRE(mp_read(&reader, &pair) == 0 && pair.kind == MP_ARRAY && pair.count == 2);
        const uint8_t *start = reader.at;
        int err = rpc_decode_call(&reader, limits, &call, &problem);
        if (err == 0)
            check_request(&call, (struct bytes){start, (size_t)(reader.at - start)}, limits);
        else
            REQUIRE(err < 0 && problem.err == err && problem.text[0] != 0);
    }
    REQUIRE(mp_at_end(&reader));
}

static void check_problem(const struct decoded *decoded)
{
    REQUIRE(decoded->problem.err < 0 && decoded->problem.text[0] != 0);
    for (const char *p = decoded->problem.text; *p != 0; p++)
        REQUIRE(*p >= 0x20 && *p < 0x7f);
}

/* What was decided about the whole fits what the structural check says of it. */
static void check_whole(const struct decoded *whole, struct bytes data, const struct limits *limits)
{
    struct mp_scan scan = {0};
    size_t need = 0;
    int err = mp_scan(&scan, data.data, data.size, (unsigned)limits->nesting, &need);
    switch (whole->result) {
    case RPC_OK:
        REQUIRE(err == 0 && scan.position == whole->size);
        check_request(&whole->request, (struct bytes){data.data, whole->size}, limits);
        if (whole->request.op->id == OP_batch)
            check_calls(&whole->request, limits);
        break;
    case RPC_REFUSED:
        REQUIRE(err == 0 && scan.position == whole->size);
        check_problem(whole);
        break;
    case RPC_MORE:
        REQUIRE(err == MP_MORE);
        break;
    case RPC_FATAL:
        check_problem(whole);
    }
}

/* A prefix gives the same, or "more". */
static void check_prefix(const struct decoded *whole, struct bytes data, size_t cut,
                         const struct limits *limits)
{
    static struct decoded part;
    uint8_t *copy = malloc(cut + (cut == 0));
    REQUIRE(copy != NULL);
    memcpy(copy, data.data, cut);
    decode((struct bytes){copy, cut}, limits, &part);
    if (part.result != RPC_MORE) {
        REQUIRE(part.result == whole->result && part.size == whole->size);
        REQUIRE(part.request.op == whole->request.op);
        REQUIRE(part.request.msgid == whole->request.msgid);
        REQUIRE(part.request.notification == whole->request.notification);
        REQUIRE(part.problem.err == whole->problem.err);
    } else {
        REQUIRE(cut < whole->size || whole->result == RPC_MORE || whole->result == RPC_FATAL);
    }
    free(copy);
}

static void check_response(struct bytes data)
{
    struct rpc_response response;
    struct mp_scan scan = {0};
    size_t size = 0, need = 0;
    if (rpc_decode_response(data, &response, &size) != 0)
        return;
    /* The parts may nest as deep as a message: theirs are checked one by one. */
    if (mp_scan(&scan, data.data, data.size, MP_DEPTH_MAX, &need) == 0)
        REQUIRE(scan.position == size);
    check_inside(response.error, (struct bytes){data.data, size});
    check_inside(response.result, (struct bytes){data.data, size});
    REQUIRE(response.error.data + response.error.size == response.result.data);
    REQUIRE(response.result.data + response.result.size == data.data + size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct decoded whole;
    if (size < 1)
        return 0;
    struct limits limits = limits_chosen(data[0]);
    struct rng rng = {size};
    uint8_t *copy = malloc(size);
    REQUIRE(copy != NULL);
    memcpy(copy, data + 1, size - 1);
    copy = realloc(copy, size - 1 + (size == 1)); /* ends where its memory ends */
    struct bytes message = {copy, size - 1};
    decode(message, &limits, &whole);
    check_whole(&whole, message, &limits);
    for (size_t i = 0; i < message.size && i < 24; i++)
        check_prefix(&whole, message, (size_t)rng_below(&rng, message.size), &limits);
    if (whole.result == RPC_OK || whole.result == RPC_REFUSED)
        check_prefix(&whole, message, whole.size, &limits);
    check_response(message);
    free(copy);
    return 0;
}
