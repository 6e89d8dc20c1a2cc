/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The table of commands that do more than call their operation: see own.h.
 *
 * Threads: one. Failures: as what the rows name.
 */
#include "client/cli/own.h"

#include "client/cli/ckpt_copy.h"
#include "client/cli/watch.h"

struct own_row {
    enum op_id id;
    int input; /* the argument that is read from a file, or -1 */
    int (*run)(struct session *session, struct args *args, struct bytes params,
               struct printer *printer, struct usage *usage);
    const char *text; /* for help; NULL: nothing */
};

static int own_watch(struct session *session, struct args *args, struct bytes params,
                     struct printer *printer, struct usage *usage)
{
    const struct options_ms *timeout = &args->options.timeout;
    (void)usage;
    return watch_run(session, params,
                     timeout->given && timeout->ms > 0 ? (uint32_t)timeout->ms : UINT32_MAX,
                     printer);
}

static const struct own_row own_rows[] = {
    {OP_watch_open, -1, own_watch, NULL},
    {OP_ckpt_export, -1, ckpt_export_run,
     "Writes all pages as one file, with a checksum: MessagePack, or with --json, and on a "
     "terminal, lines of JSON."},
    {OP_ckpt_import, 0, ckpt_import_run,
     "Reads a file of cairn ckpt export, whichever its form, from standard input or @FILE; all of "
     "it is verified before any of it is sent."},
};

static const struct own_row *own_find(const struct op *op)
{
    for (size_t i = 0; i < LENGTH_OF(own_rows); i++)
        if (op == &op_table[own_rows[i].id])
            return &own_rows[i];
    return NULL;
}

bool own_runs(const struct op *op, const struct args *args)
{
    const struct own_row *row = own_find(op);
    return row != NULL && (row->input < 0 || args->input != NULL);
}

int own_run(struct session *session, struct args *args, struct bytes params,
            struct printer *printer, struct usage *usage)
{
    return own_find(args->op)->run(session, args, params, printer, usage);
}

int own_input(const struct op *op)
{
    const struct own_row *row = own_find(op);
    return row == NULL ? -1 : row->input;
}

const char *own_text(const struct op *op)
{
    const struct own_row *row = own_find(op);
    return row == NULL ? NULL : row->text;
}
