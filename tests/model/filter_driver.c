/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Runs proto/filter for filter_model.py. On stdin, for each filter: its size and bytes, a count,
 * and as many pieces of metadata, each with its size (numbers are little endian, 4 bytes). On
 * stdout, for each filter: the code of the error and its text, 200 bytes, and for each piece of
 * metadata a byte that says whether it matches.
 */
#include "common/check.h"
#include "proto/filter.h"

#include <stdlib.h>

/* Bytes of stdin, in a block of exactly their size; false at the end. */
static bool read_exactly(void *to, size_t size)
{
    return fread(to, 1, size, stdin) == size;
}

static struct bytes read_bytes(void)
{
    uint32_t size;
    REQUIRE(read_exactly(&size, sizeof size));
    uint8_t *bytes = malloc(size + (size == 0));
    REQUIRE(bytes != NULL && read_exactly(bytes, size));
    return (struct bytes){bytes, size};
}

static void release(struct bytes bytes)
{
    free((void *)(uintptr_t)bytes.data);
}

static void write_exactly(const void *from, size_t size)
{
    REQUIRE(fwrite(from, 1, size, stdout) == size);
}

int main(void)
{
    static struct filter filter;
    uint8_t begin;
    while (read_exactly(&begin, 1)) {
        struct problem problem = {0};
        uint32_t count;
        struct bytes map = read_bytes();
        int32_t err = filter_compile(&filter, map, &problem);
        write_exactly(&err, sizeof err);
        write_exactly(problem.text, sizeof problem.text);
        REQUIRE(read_exactly(&count, sizeof count));
        for (uint32_t i = 0; i < count; i++) {
            struct bytes metadata = read_bytes();
            uint8_t matches = err == 0 && filter_match(&filter, metadata);
            write_exactly(&matches, 1);
            release(metadata);
        }
        release(map);
    }
    return 0;
}
