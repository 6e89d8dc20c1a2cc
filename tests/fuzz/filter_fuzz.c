/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Fuzzes proto/filter: the input is a filter, and metadata behind it. Whatever the bytes, compiling
 * says yes or why not, steps lead forward, and a match ends without a read outside. For a filter
 * that compiles, {"$not": filter} says the opposite, and {"$and": [filter, {}]} the same.
 */
#include "common/check.h"
#include "common/err.h"
#include "proto/filter.h"
#include "proto/mp.h"
#include "proto/pack.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A copy that ends where its memory ends. */
static struct bytes exact(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size + (size == 0));
    REQUIRE(copy != NULL);
    if (size > 0)
        memcpy(copy, data, size);
    return (struct bytes){copy, size};
}

static void release(struct bytes bytes)
{
    free((void *)(uintptr_t)bytes.data);
}

static void check_way(const struct filter *filter, unsigned from, int to)
{
    REQUIRE(to == FILTER_YES || to == FILTER_NO ||
            (to > (int)from && (unsigned)to < filter->count));
}

static bool compile(struct filter *filter, struct bytes map)
{
    struct problem problem = {0};
    int err = filter_compile(filter, map, &problem);
    REQUIRE(err == 0 || err == ERR_BAD_ARGUMENT || err == ERR_LIMIT_EXCEEDED);
    REQUIRE(err == problem.err && (err == 0) == (problem.text[0] == 0));
    for (unsigned i = 0; err == 0 && i < filter->count; i++) {
        check_way(filter, i, filter->steps[i].yes);
        check_way(filter, i, filter->steps[i].no);
    }
    REQUIRE(err != 0 || filter->count > 0);
    return err == 0;
}

/* What matches the filter wrapped as {name: filter}, or {name: [filter, {}]}. */
static void check_wrapped(struct bytes map, const char *name, bool array, struct bytes metadata,
                          bool expected)
{
    static struct filter filter;
    struct buf buf;
    buf_init(&buf);
    REQUIRE(pack_map(&buf, 1) == 0 && pack_str(&buf, bytes_of(name)) == 0);
    REQUIRE(!array || pack_array(&buf, 2) == 0);
    REQUIRE(buf_append(&buf, map.data, map.size) == 0);
    REQUIRE(!array || pack_map(&buf, 0) == 0);
    struct problem problem;
    /* One step or level more may be one too many. */
    if (filter_compile(&filter, buf_bytes(&buf), &problem) == 0)
        REQUIRE(filter_match(&filter, metadata) == expected);
    else
        REQUIRE(problem.err == ERR_LIMIT_EXCEEDED || problem.err == ERR_BAD_ARGUMENT);
    buf_deinit(&buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct filter filter;
    struct mp_reader reader = {data, data + size};
    size_t cut = mp_skip(&reader, MP_DEPTH_MAX) == 0 ? (size_t)(reader.at - data) : size;
    struct bytes map = exact(data, cut), metadata = exact(data + cut, size - cut);
    if (compile(&filter, map)) {
        bool matches = filter_match(&filter, metadata);
        check_wrapped(map, "$not", false, metadata, !matches);
        check_wrapped(map, "$and", true, metadata, matches);
    }
    release(map);
    release(metadata);
    return 0;
}
