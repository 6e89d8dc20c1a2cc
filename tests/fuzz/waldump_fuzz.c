/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Fuzzes what waldump prints: the input is the type and the body of an entry whose checksum was
 * right, whatever it says.
 *
 * Checked: one line of printable ASCII as text, one line of UTF-8 without control characters as
 * JSON, and both however the body is cut.
 */
#include "common/check.h"
#include "proto/mp.h"
#include "server/offline_impl.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef void (*print_fn)(FILE *out, const char *file, uint64_t offset, const struct entry *entry,
                         bool keys);

static void check_line(print_fn print, const struct entry *entry, bool ascii)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    REQUIRE(out != NULL);
    print(out, "wal-0000000000000001.log", 4096, entry, true);
    REQUIRE(fclose(out) == 0);
    REQUIRE(size > 0 && text[size - 1] == '\n');
    for (size_t i = 0; i + 1 < size; i++)
        REQUIRE((uint8_t)text[i] >= 0x20 && (!ascii || text[i] < 0x7f));
    REQUIRE(mp_utf8_valid((struct bytes){(const uint8_t *)text, size}));
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct entry entry = {
        .type = data[0], .lsn = size, .synced = 4096, .body = {data + 1, size - 1}};
    check_line(dump_text, &entry, true);
    check_line(dump_json, &entry, false);
    return 0;
}
