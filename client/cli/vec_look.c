/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Searching by hand: see vec_look.h.
 *
 * Threads: one. Failures: told on stderr.
 */
#include "client/cli/vec_look.h"

#include "client/cli/bulk.h"
#include "client/cli/run.h"
#include "client/cli/shape.h"
#include "common/err.h"
#include "proto/pack.h"

#include <inttypes.h>

/* The params with one more: name: true. */
static int look_pack(struct bytes params, const char *name, struct buf *out)
{
    struct mp_reader reader = mp_reader_of(params);
    struct mp head;
    int err = mp_read(&reader, &head) == 0 && head.kind == MP_MAP ? 0 : ERR_INTERNAL;
    (void)(err == 0 && (err = pack_map(out, (size_t)head.count + 1)) == 0 &&
           (err = buf_append(out, reader.at, (size_t)(reader.end - reader.at))) == 0 &&
           (err = pack_str(out, bytes_of(name))) == 0 && (err = pack_bool(out, true)) == 0);
    return err;
}

/* A map of the reply, with its rank before the rest. */
static int look_rank(uint32_t rank, struct bytes item, struct buf *out)
{
    struct mp_reader reader = mp_reader_of(item);
    struct mp head;
    int err = mp_read(&reader, &head) == 0 && head.kind == MP_MAP ? 0 : ERR_BAD_REQUEST;
    (void)(err == 0 && (err = pack_map(out, (size_t)head.count + 1)) == 0 &&
           (err = pack_str(out, bytes_of("rank"))) == 0 && (err = pack_uint(out, rank)) == 0 &&
           (err = buf_append(out, reader.at, (size_t)(reader.end - reader.at))) == 0);
    return err;
}

static int look_table(struct printer *printer, const struct op *op, struct bytes result)
{
    struct print_page page;
    struct table *table = NULL;
    struct bytes item, exact = bulk_get(result, "exact");
    struct buf ranked;
    uint64_t scanned = 0;
    if (!print_find_page(result, &page))
        return ERR_BAD_REQUEST;
    buf_init(&ranked);
    int err = 0;
    for (uint32_t i = 0; i < page.count && err == 0; i++)
        err = print_skip(&page.items, &item) ? look_rank(i + 1, item, &ranked) : ERR_BAD_REQUEST;
    page.items = mp_reader_of(buf_bytes(&ranked));
    if (err == 0)
        err = shape_list(&page, op, printer->out, printer->width, &table);
    shape_list_end(table);
    buf_deinit(&ranked);
    if (err == 0 && printer->columns > 0 && bulk_number(result, "scanned", &scanned))
        fprintf(stderr, "%" PRIu32 " found, %" PRIu64 " distances computed%s\n", page.count,
                scanned, exact.size == 1 && exact.data[0] == 0xc3 ? ", exact" : "");
    return err;
}

int vec_search_run(struct session *session, struct args *args, struct bytes params,
                   struct printer *printer, struct usage *usage)
{
    int at = op_arg_find(args->op, bytes_of("with_metadata"));
    bool vectors = args->word[op_arg_find(args->op, bytes_of("with_vectors"))].text != NULL;
    bool as_table = printer->tables && !vectors;
    struct bytes result;
    struct buf more;
    (void)usage;
    if (!as_table)
        return run_call(session, args->op->name, args->op, params, printer);
    buf_init(&more);
    int err = 0, code = EXIT_DONE;
    if (args->word[at].text == NULL) {
        err = look_pack(params, "with_metadata", &more);
        params = buf_bytes(&more);
    }
    if (err == 0 && session_call(session, args->op->name, params, &result) != CAIRN_OK)
        code = session_tell(&session->error);
    else if (err == 0)
        err = look_table(printer, args->op, result);
    buf_deinit(&more);
    return err != 0 ? run_internal(err) : code;
}
