/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Writing .npy files: see vec_npy.h.
 *
 * How: how many rows there will be is not known before the last, as others write meanwhile. So the
 * header, whose size is always the same, stays zeros until then.
 *
 * Invariants: the files have as many rows as lines; one that is not whole has no header.
 * Threads: one. Failures: told with the name of the file.
 */
#include "client/cli/vec_npy.h"

#include "client/cli/json.h"
#include "client/cli/vec_file.h"
#include "common/err.h"
#include "proto/pack.h"

#include <errno.h>

#define VEC_NPY_KEYS ".keys"

static int npy_cannot(const struct vec_npy *npy, const char *what, struct usage *usage)
{
    return usage_set(usage, "cannot %s %.300s (with " VEC_NPY_KEYS "): %s", what, npy->path,
                     strerror(errno));
}

int vec_npy_open(struct vec_npy *npy, const char *path, uint64_t dim, struct usage *usage)
{
    static const uint8_t zeros[NPY_HEAD_WRITTEN];
    struct buf name;
    *npy = (struct vec_npy){.path = path};
    elements_init(&npy->elements);
    int err = elements_begin(&npy->elements, dim, usage);
    buf_init(&name);
    if (err == 0)
        err = buf_append(&name, path, strlen(path));
    if (err == 0)
        err = buf_append(&name, VEC_NPY_KEYS, sizeof VEC_NPY_KEYS);
    if (err == 0 && ((npy->rows = fopen(path, "wbe")) == NULL ||
                     (npy->keys = fopen((const char *)name.data, "wbe")) == NULL))
        err = npy_cannot(npy, "open", usage);
    if (err == 0 && (fseeko(npy->rows, 0, SEEK_END) != 0 || ftello(npy->rows) != 0))
        err = usage_set(usage,
                        "%.300s is no file: the header of an .npy file is written last, so "
                        "that it cannot go into a pipe",
                        path);
    if (err == 0 && fwrite(zeros, sizeof zeros, 1, npy->rows) != 1)
        err = npy_cannot(npy, "write", usage);
    buf_deinit(&name);
    return err;
}

/* {"key": ..., "metadata": ...} */
static int npy_line(struct vec_npy *npy, struct bytes key, struct bytes metadata)
{
    npy->line.size = npy->text.size = 0;
    int err = pack_map(&npy->line, metadata.size > 0 ? 2 : 1);
    (void)(err == 0 && (err = pack_str(&npy->line, bytes_of("key"))) == 0 &&
           (err = buf_append(&npy->line, key.data, key.size)) == 0 && metadata.size > 0 &&
           (err = pack_str(&npy->line, bytes_of("metadata"))) == 0 &&
           (err = buf_append(&npy->line, metadata.data, metadata.size)) == 0);
    if (err == 0)
        err = json_out_exact(buf_bytes(&npy->line), &npy->text);
    return err != 0 ? err : buf_append(&npy->text, "\n", 1);
}

int vec_npy_add(struct vec_npy *npy, struct bytes key, struct bytes vector, struct bytes metadata,
                struct usage *usage)
{
    int err = vec_file_elements(&npy->elements, vector, usage);
    if (err == 0)
        err = npy_line(npy, key, metadata);
    if (err != 0)
        return err;
    const struct buf *row = &npy->elements.row;
    if (fwrite(row->data, row->size, 1, npy->rows) != 1 ||
        fwrite(npy->text.data, npy->text.size, 1, npy->keys) != 1)
        return npy_cannot(npy, "write", usage);
    npy->count++;
    return 0;
}

int vec_npy_close(struct vec_npy *npy, bool whole, struct usage *usage)
{
    uint8_t head[NPY_HEAD_WRITTEN];
    bool good = true;
    npy_write(npy->count, npy->elements.dim, head);
    if (whole)
        good = fflush(npy->keys) == 0 && fseeko(npy->rows, 0, SEEK_SET) == 0 &&
               fwrite(head, sizeof head, 1, npy->rows) == 1 && fflush(npy->rows) == 0;
    int err = good ? 0 : npy_cannot(npy, "write", usage);
    if (npy->rows != NULL)
        (void)fclose(npy->rows);
    if (npy->keys != NULL)
        (void)fclose(npy->keys);
    elements_deinit(&npy->elements);
    buf_deinit(&npy->line);
    buf_deinit(&npy->text);
    return err;
}
