/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Sending and fetching a lot: see bulk.h.
 *
 * Threads: one. Failures: as the header says.
 */
#include "client/cli/bulk.h"

#include "client/cli/print.h"
#include "client/cli/usage.h"
#include "proto/mp.h"

#include <inttypes.h>
#include <unistd.h>

struct bytes bulk_get(struct bytes map, const char *key)
{
    struct mp_reader reader = mp_reader_of(map);
    struct bytes name, value;
    struct mp head;
    bool text;
    if (mp_read(&reader, &head) != 0 || head.kind != MP_MAP)
        return BYTES_NONE;
    for (uint32_t i = 0; i < head.count; i++) {
        if (mp_read_bytes(&reader, &name, &text) != 0 || !print_skip(&reader, &value))
            return BYTES_NONE;
        if (bytes_equal(name, bytes_of(key)))
            return value;
    }
    return BYTES_NONE;
}

bool bulk_number(struct bytes map, const char *key, uint64_t *out)
{
    struct mp_reader reader = mp_reader_of(bulk_get(map, key));
    struct mp mp;
    if (mp_at_end(&reader) || mp_read(&reader, &mp) != 0 || mp.kind != MP_UINT)
        return false;
    *out = mp.uint;
    return true;
}

struct bytes bulk_text(struct bytes map, const char *key)
{
    struct mp_reader reader = mp_reader_of(bulk_get(map, key));
    struct bytes bytes;
    bool text;
    return mp_read_bytes(&reader, &bytes, &text) == 0 ? bytes : BYTES_NONE;
}

int bulk_ask_limits(struct session *session, struct bulk_limits *out)
{
    static const char params[] = "\x81\xa7section\xa6limits";
    struct bytes result;
    if (session_call(session, "server.info", bytes_of(params), &result) != CAIRN_OK)
        return session_tell(&session->error);
    struct bytes limits = bulk_get(result, "limits");
    *out = (struct bulk_limits){1000, BULK_PART_BYTES};
    (void)bulk_number(limits.size > 0 ? limits : result, "items", &out->items);
    (void)bulk_number(limits.size > 0 ? limits : result, "frame_bytes", &out->bytes);
    return EXIT_DONE;
}

void bulk_progress(const char *what, uint64_t count, bool last)
{
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r%" PRIu64 " %s%s", count, what, last ? "\n" : "");
}
