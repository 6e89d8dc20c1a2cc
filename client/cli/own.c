/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The table of commands that do more than call their operation: see own.h.
 *
 * Threads: one. Failures: as what the rows name.
 */
#include "client/cli/own.h"

#include "client/cli/ckpt_copy.h"
#include "client/cli/ckpt_look.h"
#include "client/cli/vec_copy.h"
#include "client/cli/vec_look.h"
#include "client/cli/watch.h"

struct own_row {
    const struct op *op;
    int input; /* the argument that is read from a file, or -1 */
    int (*run)(struct session *session, struct args *args, struct bytes params,
               struct printer *printer, struct usage *usage);
    const char *text; /* for help; NULL: nothing */
};

/* ---- commands that no operation is called like ---- */

static const struct arg_desc own_show_args[] = {
    {"session", ARG_NAME, ARG_REQUIRED, "The session"},
    {"id", ARG_NAME, ARG_POSITIONAL, "The checkpoint; the one with the greatest id if not given"},
    {"ns", ARG_BYTES, ARG_NAMED, "Namespace; empty if not given"},
};

static const struct arg_desc own_diff_args[] = {
    {"session", ARG_NAME, ARG_REQUIRED, "The session"},
    {"from", ARG_NAME, ARG_REQUIRED, "A checkpoint"},
    {"to", ARG_NAME, ARG_REQUIRED, "Another one"},
    {"ns", ARG_BYTES, ARG_NAMED, "Namespace; empty if not given"},
};

static const struct arg_desc own_import_args[] = {
    {"collection", ARG_NAME, ARG_REQUIRED, "The collection"},
    {"file", ARG_NAME, ARG_POSITIONAL, "The file; - or none: standard input"},
    {"key_prefix", ARG_BYTES, ARG_NAMED,
     "What keys begin with that are the number of the vector, from 0"},
    {"wait", ARG_BOOL, ARG_NAMED, "Until all vectors are in the graph"},
    {"create", ARG_BOOL, ARG_NAMED, "Make the collection, with the dimension of the vectors"},
    {"metric", ARG_NAME, ARG_NAMED, "With --create: cosine (default), l2 or dot"},
    {"index", ARG_NAME, ARG_NAMED, "With --create: auto (default), flat or hnsw"},
    {"m", ARG_UINT, ARG_NAMED, "With --create: links of a vector"},
    {"ef_construction", ARG_UINT, ARG_NAMED, "With --create: candidates when linking"},
    {"quantization", ARG_NAME, ARG_NAMED, "With --create: none (default), int8 or int8_only"},
};

static const struct arg_desc own_export_args[] = {
    {"collection", ARG_NAME, ARG_REQUIRED, "The collection"},
    {"prefix", ARG_BYTES, ARG_NAMED, "Only keys that begin with this"},
    {"filter", ARG_MAP, ARG_NAMED, "Only those whose metadata match this filter"},
};

static const struct op own_ops[OWN_OPS] = {
    {OP_COUNT, "ckpt.show", 9, OP_READ, LENGTH_OF(own_show_args), 1, 2, own_show_args,
     "a checkpoint as ckpt.get gives it", "Show a checkpoint with everything that belongs to it."},
    {OP_COUNT, "ckpt.diff", 9, OP_READ, LENGTH_OF(own_diff_args), 3, 3, own_diff_args,
     "+ path value, - path value, ~ path old new; with --json {added: [[path, value]...], removed: "
     "[[path, value]...], changed: [[path, old, new]...]}",
     "Tell what is added, removed and changed from the state of one checkpoint to that of "
     "another."},
    {OP_COUNT, "vec.import", 10, OP_WRITE | OP_SLOW, LENGTH_OF(own_import_args), 1, 2,
     own_import_args, "{imported}",
     "Add the vectors of a file to a collection; the vectors and metadata of keys that are there "
     "are replaced."},
    {OP_COUNT, "vec.export", 10, OP_READ | OP_SLOW, LENGTH_OF(own_export_args), 1, 1,
     own_export_args, "lines of {key, vector, metadata}",
     "Write the vectors of a collection as lines of JSON, which cairn vec import takes."},
};

const struct op *own_op(unsigned i)
{
    if (i < OP_COUNT)
        return &op_table[i];
    return i - OP_COUNT < OWN_OPS ? &own_ops[i - OP_COUNT] : NULL;
}

const struct op *own_find_op(struct bytes name)
{
    for (unsigned i = 0; i < OWN_OPS; i++)
        if (bytes_equal(name, bytes_of(own_ops[i].name)))
            return &own_ops[i];
    return op_find(name);
}

/* ---- what is done ---- */

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
    {&op_table[OP_watch_open], -1, own_watch, NULL},
    {&op_table[OP_ckpt_export], -1, ckpt_export_run,
     "Writes all pages as one file, with a checksum: MessagePack, or with --json, and on a "
     "terminal, lines of JSON."},
    {&op_table[OP_ckpt_import], 0, ckpt_import_run,
     "Reads a file of cairn ckpt export, whichever its form, from standard input or @FILE; all of "
     "it is verified before any of it is sent."},
    {&own_ops[0], -1, ckpt_show_run, NULL},
    {&own_ops[1], -1, ckpt_diff_run, NULL},
    {&own_ops[2], -1, vec_import_run,
     "The file has lines of JSON, {\"key\": \"a\", \"vector\": [0.5, 1], \"metadata\": {}}, or is "
     "an .fvecs file, or an .npy file of floats; the form is known by its beginning. "
     "The key may be called id, the vector embedding or values, the metadata payload; any other "
     "field joins the metadata. If a line is wrong, those before it were imported."},
    {&own_ops[3], -1, vec_export_run,
     "Numbers have as many digits as it takes to read back the same 32-bit floats."},
    {&op_table[OP_vec_search], -1, vec_search_run,
     "On a terminal, or with --table, the metadata are shown, too."},
};

static const struct own_row *own_find(const struct op *op)
{
    for (size_t i = 0; i < LENGTH_OF(own_rows); i++)
        if (op == own_rows[i].op)
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
