/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Reads files of keys.
 *
 * How: the file is kept as it is, with an index of its lines. A line may hold any bytes but '\n'; a
 * last one without an end gets it.
 *
 * Invariants: every key has 1 to KEYS_LONGEST bytes; ends[i] lies behind a '\n'.
 * Threads: read only once made. Failures: as in keys.h.
 */
#include "client/loadgen/keys.h"

#include "common/err.h"
#include "common/mem.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { KEYS_LONGEST = 65535, KEYS_READ = 64 * 1024 };

#define KEYS_BYTES_MAX (SIZE_MAX / 64)

static int keys_bad(char *out_detail, const char *path, const char *why)
{
    (void)snprintf(out_detail, KEYS_DETAIL_SIZE, "--key-file %.120s: %s", path, why);
    return ERR_BAD_ARGUMENT;
}

static int keys_load(struct keys *keys, FILE *file)
{
    struct buf *text = &keys->text;
    for (;;) {
        if (text->size > KEYS_BYTES_MAX || buf_reserve(text, KEYS_READ + 1) != 0)
            return ERR_OUT_OF_MEMORY;
        size_t n = fread(text->data + text->size, 1, KEYS_READ, file);
        text->size += n;
        if (n == 0)
            break;
    }
    if (text->size > 0 && text->data[text->size - 1] != '\n')
        text->data[text->size++] = '\n';
    return ferror(file) != 0 ? ERR_IO : 0;
}

static uint64_t keys_count(const struct buf *text)
{
    uint64_t lines = 0;
    for (size_t i = 0; i < text->size; i++)
        lines += text->data[i] == '\n';
    return lines;
}

static int keys_index(struct keys *keys, const char *path, char *out_detail)
{
    char why[96];
    uint64_t lines = keys_count(&keys->text);
    if (lines == 0)
        return keys_bad(out_detail, path, "there is no key in it; write one on each line");
    keys->ends = mem_calloc(lines, sizeof *keys->ends);
    if (keys->ends == NULL)
        return ERR_OUT_OF_MEMORY;
    for (size_t i = 0, begin = 0; i < keys->text.size; i++) {
        if (keys->text.data[i] != '\n')
            continue;
        size_t size = i - begin;
        if (size == 0 || size > KEYS_LONGEST) {
            (void)snprintf(why, sizeof why, "line %llu must have 1 to %d bytes",
                           (unsigned long long)keys->n + 1, KEYS_LONGEST);
            return keys_bad(out_detail, path, why);
        }
        keys->longest = size > keys->longest ? size : keys->longest;
        keys->ends[keys->n++] = begin = i + 1;
    }
    return 0;
}

int keys_read(struct keys *keys, const char *path, char out_detail[static KEYS_DETAIL_SIZE])
{
    *keys = (struct keys){.ends = NULL};
    buf_init(&keys->text);
    FILE *file = fopen(path, "re");
    int err = file == NULL ? ERR_IO : keys_load(keys, file);
    int error = errno;
    if (file != NULL)
        (void)fclose(file);
    if (err == ERR_IO)
        (void)keys_bad(out_detail, path, strerror(error));
    if (err == 0)
        err = keys_index(keys, path, out_detail);
    if (err == ERR_OUT_OF_MEMORY)
        (void)keys_bad(out_detail, path, "out of memory");
    return err;
}

void keys_deinit(struct keys *keys)
{
    buf_deinit(&keys->text);
    mem_free(keys->ends);
    keys->ends = NULL;
}
