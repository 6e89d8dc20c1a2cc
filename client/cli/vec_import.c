/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Import of vectors: see vec_copy.h.
 *
 *   file --> row --> [key, vector, metadata] behind the others --> vec.upsert_many, IMPORT_WINDOW
 *                                                                  of them unanswered at a time
 *
 * How: rows gather until a request is full, in bytes or items. A row that is wrong ends the file
 * there: what stands before it is still sent, so that what was imported is known by a number. To
 * import it again is no harm, as every key is replaced by the same.
 *
 * Of a key that is there twice the last holds. The server may finish requests in another order than
 * they were sent in, so one with a key that another has waits for that.
 *
 * Invariants: at most IMPORT_WINDOW requests of about BULK_PART_BYTES (or of one row) are held,
 * whatever the size of the file.
 * Threads: one. Failures: told on stderr with the rows they are about, and how many vectors were
 * imported.
 */
#include "client/cli/bulk.h"
#include "client/cli/run.h"
#include "client/cli/vec_copy.h"
#include "client/cli/vec_file.h"
#include "common/err.h"
#include "client/cli/signals.h"
#include "common/hash.h"
#include "common/num.h"
#include "proto/pack.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <unistd.h>

enum { IMPORT_WINDOW = 8, IMPORT_WAIT_MS = 200, IMPORT_DIM_TEXT = 24 };

/* A request: which rows are in it. */
struct import_part {
    uint32_t msgid;
    uint64_t first, last; /* numbers for people */
    uint64_t count;       /* 0: this place is free */
    struct buf hashes;    /* of its keys, uint64_t, in order once it is sent */
};

struct import {
    struct session *session;
    const struct args *args;
    struct usage *usage;
    struct vec_file file;
    struct vec_row row;
    int got;             /* what vec_file_next said of the row */
    struct buf head;     /* packed names and values that each request has, */
    uint32_t n_head;     /* so many */
    struct bytes prefix; /* of keys that are numbers */
    bool has_prefix;     /* it was given */
    bool no_zeros;       /* cosine: no vector may be zero */
    struct bulk_limits limits;
    struct buf rows; /* gathered, packed */
    struct import_part part;
    struct buf params;
    struct hash_key hash_key;
    struct import_part window[IMPORT_WINDOW];
    unsigned n_sent; /* requests that are not answered */
    uint64_t done;   /* vectors */
    int code;
};

static const char *import_word(const struct import *im, const char *name)
{
    int i = op_arg_find(im->args->op, bytes_of(name));
    return i >= 0 ? im->args->word[i].text : NULL;
}

static bool import_flag(const struct import *im, const char *name)
{
    bool value = false;
    const char *word = import_word(im, name);
    return word != NULL && (word[0] == 0 || (num_parse_bool(word, &value) == 0 && value));
}

/* ---- Requests ------------------------------------------------------------------------------- */

/* {head..., vectors: [rows]} */
static int import_pack(struct import *im)
{
    im->params.size = 0;
    int err = pack_map(&im->params, (size_t)im->n_head + 1);
    (void)(err == 0 && (err = buf_append(&im->params, im->head.data, im->head.size)) == 0 &&
           (err = pack_str(&im->params, bytes_of("vectors"))) == 0 &&
           (err = pack_array(&im->params, im->part.count)) == 0 &&
           (err = buf_append(&im->params, im->rows.data, im->rows.size)) == 0);
    return err;
}

/* Tell why a request failed, but for those behind the first. */
static void import_tell(struct import *im, const struct import_part *part)
{
    if (im->code != EXIT_DONE)
        return;
    im->code = session_tell(&im->session->error);
    if (part != NULL)
        fprintf(stderr, "cairn: that was for %ss %" PRIu64 " to %" PRIu64 "\n",
                vec_file_unit(&im->file), part->first, part->last);
}

static struct import_part *import_part_of(struct import *im, uint32_t msgid)
{
    for (unsigned i = 0; i < IMPORT_WINDOW; i++)
        if (im->window[i].count > 0 && im->window[i].msgid == msgid)
            return &im->window[i];
    return NULL;
}

/* Take one reply. */
static void import_receive(struct import *im)
{
    struct bytes result;
    uint32_t msgid;
    int status = session_receive(im->session, &result, &msgid);
    bool answered = status == CAIRN_OK || im->session->error.from_server;
    struct import_part *part = answered ? import_part_of(im, msgid) : NULL;
    if (status != CAIRN_OK)
        import_tell(im, part);
    if (part == NULL) {
        im->n_sent = 0; /* nothing will come any more */
        return;
    }
    im->done += status == CAIRN_OK ? part->count : 0;
    part->count = 0;
    part->hashes.size = 0;
    im->n_sent--;
    bulk_progress("vectors imported", im->done, false);
}

static int import_compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* Do two requests have a key in common? (Or, very rarely, keys of the same hash.) */
static bool import_overlap(const struct import_part *a, const struct import_part *b)
{
    const uint64_t *x = (const uint64_t *)(const void *)a->hashes.data;
    const uint64_t *y = (const uint64_t *)(const void *)b->hashes.data;
    for (uint64_t i = 0, k = 0; i < a->count && k < b->count;) {
        if (x[i] == y[k])
            return true;
        if (x[i] < y[k])
            i++;
        else
            k++;
    }
    return false;
}

/* Wait until there is a place, and no request under way has a key of this one. */
static struct import_part *import_place(struct import *im)
{
    struct import_part *place = im->window;
    qsort(im->part.hashes.data, im->part.count, sizeof(uint64_t), import_compare);
    for (unsigned i = 0; i < IMPORT_WINDOW; i++)
        while (im->window[i].count > 0 && im->n_sent > 0 &&
               import_overlap(&im->window[i], &im->part))
            import_receive(im);
    while (im->n_sent == IMPORT_WINDOW)
        import_receive(im);
    while (im->code == EXIT_DONE && place->count > 0)
        place++;
    return place;
}

/* Send what was gathered. */
static void import_send(struct import *im)
{
    if (im->part.count == 0 || im->code != EXIT_DONE)
        return;
    struct import_part *place = import_place(im);
    if (im->code != EXIT_DONE)
        return;
    int err = import_pack(im);
    if (err != 0)
        im->code = run_internal(err);
    else if (session_send(im->session, op_table[OP_vec_upsert_many].name, buf_bytes(&im->params),
                          &im->part.msgid) != CAIRN_OK)
        import_tell(im, &im->part);
    else {
        struct buf room = place->hashes;
        *place = im->part;
        im->part.hashes = room;
        im->n_sent++;
    }
    im->part.count = 0;
    im->part.hashes.size = im->rows.size = 0;
}

/* ---- Rows ----------------------------------------------------------------------------------- */

static int import_wrong(const struct import *im, const char *what)
{
    return usage_set(im->usage, "%s %" PRIu64 ": %s", vec_file_unit(&im->file), im->file.number,
                     what);
}

/* The key that the row has, or its number behind the prefix: rows are counted from 0. */
static int import_key(struct import *im)
{
    char number[IMPORT_DIM_TEXT];
    struct buf key;
    if (im->row.key.size > 0)
        return buf_append(&im->rows, im->row.key.data, im->row.key.size);
    if (!im->file.is_table && !im->has_prefix)
        return import_wrong(im, "no key: it is expected under \"key\" or \"id\"; --key-prefix P "
                                "makes keys of P and the number of the vector");
    buf_init(&key);
    snprintf(number, sizeof number, "%" PRIu64, im->file.count - 1);
    int err = buf_append(&key, im->prefix.data, im->prefix.size);
    if (err == 0)
        err = buf_append(&key, number, strlen(number));
    if (err == 0)
        err = mp_utf8_valid(im->prefix) ? pack_str(&im->rows, buf_bytes(&key))
                                        : pack_bin(&im->rows, buf_bytes(&key));
    buf_deinit(&key);
    return err;
}

static bool import_is_zero(struct bytes elements)
{
    for (size_t at = 0; at < elements.size; at += sizeof(float)) {
        float element;
        memcpy(&element, elements.data + at, sizeof element);
        if (element != 0.0f)
            return false;
    }
    return true;
}

/* The hash of the key that stands there packed: str and bin are the same. */
static int import_hash(struct import *im, size_t at)
{
    struct mp_reader reader = {im->rows.data + at, im->rows.data + im->rows.size};
    struct bytes key;
    bool text;
    if (mp_read_bytes(&reader, &key, &text) != 0)
        return ERR_INTERNAL;
    uint64_t hash = hash_word_bytes(&im->hash_key, 0, key);
    return buf_append(&im->part.hashes, &hash, sizeof hash);
}

/* Gather the row. */
static int import_row(struct import *im)
{
    size_t before = im->rows.size;
    if (im->no_zeros && import_is_zero(im->row.elements))
        return import_wrong(im, "all elements are 0, which has no direction: the metric of the "
                                "collection, cosine, cannot compare it");
    bool has_metadata = im->row.metadata.size > 0;
    int err = pack_array(&im->rows, has_metadata ? 3 : 2);
    size_t key = im->rows.size;
    (void)(err == 0 && (err = import_key(im)) == 0 &&
           (err = pack_bin(&im->rows, im->row.elements)) == 0 && has_metadata &&
           (err = buf_append(&im->rows, im->row.metadata.data, im->row.metadata.size)) == 0);
    if (err == 0 && im->rows.size - before + im->head.size + BULK_ROOM > im->limits.bytes)
        err = import_wrong(im, "larger than the server takes in a request: raise "
                               "limits.frame_bytes");
    if (err == 0)
        err = import_hash(im, key);
    if (err != 0) {
        im->rows.size = before;
        return err;
    }
    im->part.first = im->part.count == 0 ? im->file.number : im->part.first;
    im->part.last = im->file.number;
    im->part.count++;
    return 0;
}

/* Would one more row of this size be too much? */
static bool import_is_full(const struct import *im)
{
    size_t row = im->row.elements.size + im->row.metadata.size + im->row.key.size + BULK_ROOM;
    return im->part.count >= im->limits.items ||
           (im->part.count > 0 && (im->rows.size + row > BULK_PART_BYTES ||
                                   im->rows.size + row + im->head.size > im->limits.bytes));
}

static void import_rows(struct import *im)
{
    int err = 0;
    while (im->got == 1 && err == 0 && im->code == EXIT_DONE) {
        if (import_is_full(im))
            import_send(im);
        err = import_row(im);
        if (err == 0)
            im->got = vec_file_next(&im->file, &im->row, im->usage);
    }
    err = err != 0 ? err : im->got < 0 ? im->got : 0;
    import_send(im);
    while (im->n_sent > 0)
        import_receive(im);
    bulk_progress("vectors imported", im->done, true);
    if (err == ERR_BAD_ARGUMENT && im->code == EXIT_DONE) {
        fprintf(stderr, "cairn: %s\n", im->usage->text);
        im->code = EXIT_USAGE;
    } else if (err != 0 && im->code == EXIT_DONE)
        im->code = run_internal(err);
    if (im->code != EXIT_DONE)
        fprintf(stderr,
                "cairn: %" PRIu64 " vectors were imported. Once the cause is mended, import the "
                "file again: what is there is replaced by the same\n",
                im->done);
}

/* ---- The collection ------------------------------------------------------------------------- */

/* Call an operation with the words of the command that it has, and `dim` if it has that. */
static int import_call(struct import *im, enum op_id id, struct bytes *out_result)
{
    struct args args = args_for(im->args, &op_table[id]);
    char dim[IMPORT_DIM_TEXT];
    struct buf params;
    int at = op_arg_find(args.op, bytes_of("dim"));
    snprintf(dim, sizeof dim, "%u", vec_file_dim(&im->file));
    if (at >= 0)
        args.word[at] = (struct args_word){dim, false};
    buf_init(&params);
    int err = args_pack(&args, BYTES_NONE, &params, im->usage);
    int code = EXIT_DONE;
    if (err == 0 &&
        session_call(im->session, args.op->name, buf_bytes(&params), out_result) != CAIRN_OK)
        code = session_tell(&im->session->error);
    buf_deinit(&params);
    return err != 0 ? run_internal(err) : code;
}

/* What is said of the collection; EXIT_ABSENT, told, if there is none. */
static int import_info(struct import *im, struct bytes *out)
{
    int code = import_call(im, OP_vec_info, out);
    if (code != EXIT_DONE || (out->size > 0 && out->data[0] != 0xc0))
        return code;
    fprintf(stderr, "cairn: there is no such collection; --create makes it\n");
    return EXIT_ABSENT;
}

static int import_create(struct import *im)
{
    static const char *const names[] = {"metric", "index", "m", "ef_construction", "quantization"};
    struct bytes result;
    if (!import_flag(im, "create")) {
        for (size_t i = 0; i < LENGTH_OF(names); i++)
            if (import_word(im, names[i]) != NULL) {
                fprintf(stderr, "cairn: --%s is for a new collection: add --create\n",
                        i == 3 ? "ef-construction" : names[i]);
                return EXIT_USAGE;
            }
        return EXIT_DONE;
    }
    if (vec_file_dim(&im->file) == 0) {
        fprintf(stderr, "cairn: there is no vector in the file, so that the dimension of a new "
                        "collection is not known: cairn vec create\n");
        return EXIT_USAGE;
    }
    return import_call(im, OP_vec_create, &result);
}

/* Does the file fit to the collection? */
static int import_check(struct import *im)
{
    struct bytes info = BYTES_NONE;
    uint64_t dim = 0;
    int code = import_info(im, &info);
    if (code != EXIT_DONE)
        return code;
    im->no_zeros = bytes_equal(bulk_text(info, "metric"), bytes_of("cosine"));
    if (bulk_number(info, "dim", &dim) && vec_file_dim(&im->file) != 0 &&
        dim != vec_file_dim(&im->file)) {
        fprintf(stderr,
                "cairn: nothing was imported: the vectors of the file have %u elements, those of "
                "the collection %" PRIu64 "\n",
                vec_file_dim(&im->file), dim);
        return EXIT_USAGE;
    }
    return EXIT_DONE;
}

/* Until all vectors are in the graph. */
static int import_wait(struct import *im)
{
    struct bytes info;
    for (;;) {
        uint64_t tail = 0, linked = 0;
        int code = import_info(im, &info);
        if (code != EXIT_DONE)
            return code;
        (void)bulk_number(info, "tail", &tail);
        (void)bulk_number(info, "linked", &linked);
        bool is_built = tail == 0 && !bytes_equal(bulk_text(info, "state"), bytes_of("building"));
        bulk_progress("vectors linked", linked, is_built);
        if (is_built)
            return EXIT_DONE;
        if (im->session->catches_interrupt && signals_take(SIGINT)) {
            fprintf(stderr, "cairn: interrupted; the server goes on\n");
            return EXIT_ANSWERED_ERROR;
        }
        signals_wait(-1, IMPORT_WAIT_MS);
    }
}

/* ---- All of it ------------------------------------------------------------------------------ */

/* What each request has: collection, run, durability. */
static int import_pack_head(struct import *im)
{
    struct args args = args_for(im->args, &op_table[OP_vec_upsert_many]);
    struct buf packed;
    struct mp map;
    buf_init(&packed);
    int err = args_pack(&args, BYTES_NONE, &packed, im->usage);
    struct mp_reader reader = mp_reader_of(buf_bytes(&packed));
    if (err == 0)
        err = mp_read(&reader, &map) == 0 && map.kind == MP_MAP ? 0 : ERR_INTERNAL;
    if (err == 0) {
        im->n_head = map.count;
        err = buf_append(&im->head, reader.at, (size_t)(reader.end - reader.at));
    }
    buf_deinit(&packed);
    return err;
}

static int import_print(const struct import *im, struct printer *printer)
{
    struct buf result;
    buf_init(&result);
    int err = pack_map(&result, 1);
    (void)(err == 0 && (err = pack_str(&result, bytes_of("imported"))) == 0 &&
           (err = pack_uint(&result, im->done)) == 0 &&
           (err = print_result(printer, buf_bytes(&result))) == 0);
    buf_deinit(&result);
    return err != 0 ? run_internal(err) : EXIT_DONE;
}

/* The first row is read already, as it tells the dimension. */
static int import_all(struct import *im, struct printer *printer)
{
    int err = import_pack_head(im);
    int code = err != 0 ? run_internal(err) : bulk_ask_limits(im->session, &im->limits);
    if (code == EXIT_DONE)
        code = import_create(im);
    if (code == EXIT_DONE)
        code = import_check(im);
    if (code != EXIT_DONE)
        return code;
    import_rows(im);
    if (im->code == EXIT_DONE && import_flag(im, "wait"))
        im->code = import_wait(im);
    return im->code == EXIT_DONE ? import_print(im, printer) : im->code;
}

/* The file of the command: a path, with or without "@", or "-" (also if none is given). */
static FILE *import_open(const struct import *im, const char *path, struct usage *usage)
{
    bool is_stdin = path == NULL || strcmp(path, "-") == 0;
    FILE *in = NULL;
    if (is_stdin && im->args->has_lines)
        (void)usage_set(usage, "commands come from standard input, so that vectors cannot: name a "
                               "file");
    else if (is_stdin)
        in = stdin;
    else if ((in = fopen(path + (path[0] == '@'), "rbe")) == NULL)
        (void)usage_set(usage, "cannot open %s: %s", path, strerror(errno));
    return in;
}

static int import_file(struct import *im, FILE *in, FILE *keys, struct printer *printer)
{
    int err = vec_file_begin(in, keys, &im->file, im->usage);
    if (err == 0) {
        im->got = vec_file_next(&im->file, &im->row, im->usage);
        err = im->got < 0 ? im->got : 0;
    }
    if (err == 0)
        return import_all(im, printer);
    if (err != ERR_BAD_ARGUMENT)
        return run_internal(err);
    fprintf(stderr, "cairn: nothing was imported: %s\n", im->usage->text);
    return EXIT_USAGE;
}

static void import_close(FILE *file)
{
    if (file != NULL && file != stdin)
        fclose(file);
}

/* With the file and, if one is named, that of its keys. An exit code. */
static int import_files(struct import *im, struct printer *printer)
{
    const char *path = import_word(im, "file"), *path_of_keys = import_word(im, "keys");
    FILE *in = import_open(im, path, im->usage), *keys = NULL;
    int code = EXIT_USAGE;
    if (in != NULL && path_of_keys != NULL)
        keys = import_open(im, path_of_keys, im->usage);
    if (in != NULL && in == keys)
        (void)usage_set(im->usage, "vectors and keys cannot both come from standard input");
    else if (in != NULL && (keys != NULL || path_of_keys == NULL))
        code = import_file(im, in, keys, printer);
    if (in == NULL || in == keys || (keys == NULL && path_of_keys != NULL))
        fprintf(stderr, "cairn: %s\n", im->usage->text);
    import_close(in);
    import_close(keys);
    return code;
}

int vec_import_run(struct session *session, struct args *args, struct bytes params,
                   struct printer *printer, struct usage *usage)
{
    struct import im = {.session = session, .args = args, .usage = usage};
    const char *prefix = import_word(&im, "key_prefix");
    (void)params;
    hash_key_random(&im.hash_key);
    im.has_prefix = prefix != NULL;
    im.prefix = bytes_of(prefix != NULL ? prefix : "");
    int code = import_files(&im, printer);
    vec_file_deinit(&im.file);
    buf_deinit(&im.head);
    buf_deinit(&im.rows);
    buf_deinit(&im.params);
    buf_deinit(&im.part.hashes);
    for (unsigned i = 0; i < IMPORT_WINDOW; i++)
        buf_deinit(&im.window[i].hashes);
    return code;
}
