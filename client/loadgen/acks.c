/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Writes and reads logs of acknowledgements.
 *
 * How: the file is open for appending, and a buffer is written as a whole, so that lines of several
 * threads do not mix. Reading checks every number; the file may come from anywhere.
 *
 * Invariants: what a server has acknowledged before it died is in the file when the run has ended.
 * Threads: a buffer belongs to one. Failures: as in acks.h.
 */
#include "client/loadgen/acks.h"

#include "client/loadgen/value.h"
#include "common/err.h"
#include "common/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

enum { ACKS_BUFFER = 64 * 1024, ACKS_LINE = 128, ACKS_VALUE_MAX = 1 << 30 };

#define ACKS_HEAD "loadgen-acks 1 "

static int acks_cannot(int err, char *out_detail, const char *what, const char *path)
{
    (void)snprintf(out_detail, ACKS_DETAIL_SIZE, "--ack-log: cannot %s %.180s%s%s", what, path,
                   err == ERR_IO ? ": " : "", err == ERR_IO ? strerror(errno) : "");
    return err;
}

static int acks_write(const struct acks *acks, const uint8_t *data, size_t size)
{
    while (size > 0) {
        ssize_t n = write(acks->fd, data, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return ERR_IO;
        data += n;
        size -= (size_t)n;
    }
    return 0;
}

int acks_create(struct acks *acks, const char *path, size_t min, size_t max,
                char out_detail[static ACKS_DETAIL_SIZE])
{
    char line[ACKS_LINE];
    acks->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0666);
    int n = snprintf(line, sizeof line, ACKS_HEAD "%zu %zu\n", min, max);
    if (acks->fd >= 0 && acks_write(acks, (const uint8_t *)line, (size_t)n) == 0)
        return 0;
    return acks_cannot(ERR_IO, out_detail, "write", path);
}

int acks_flush(const struct acks *acks, struct buf *buffer)
{
    int err = acks_write(acks, buffer->data, buffer->size);
    buffer->size = 0;
    return err;
}

int acks_add(const struct acks *acks, struct buf *buffer, const struct ack *ack)
{
    int err = buf_reserve(buffer, buffer->capacity == 0 ? ACKS_BUFFER : ACKS_LINE);
    if (err != 0)
        return err;
    int n =
        snprintf((char *)buffer->data + buffer->size, ACKS_LINE,
                 "%c %012" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n",
                 ack->answered != 0 ? 'a' : 'o', ack->key, ack->write, ack->sent, ack->answered);
    buffer->size += (size_t)n;
    return buffer->size + ACKS_LINE > ACKS_BUFFER ? acks_flush(acks, buffer) : 0;
}

/* ---- reading ---- */

static bool acks_number(const char **at, char before, uint64_t *out)
{
    char *end;
    if (**at != before || (*at)[1] < '0' || (*at)[1] > '9')
        return false;
    errno = 0;
    *out = strtoull(*at + 1, &end, 10);
    *at = end;
    return errno == 0;
}

static bool acks_parse(const char *line, struct ack *out)
{
    const char *at = line + 1;
    bool numbers = (line[0] == 'a' || line[0] == 'o') && acks_number(&at, ' ', &out->key) &&
                   acks_number(&at, ' ', &out->write) && acks_number(&at, ' ', &out->sent) &&
                   acks_number(&at, ' ', &out->answered);
    return numbers && *at == '\n' && (line[0] == 'a') == (out->answered != 0);
}

static bool acks_parse_head(const char *line, size_t *out_min, size_t *out_max)
{
    uint64_t min, max;
    size_t size = strlen(ACKS_HEAD) - 1;
    if (strncmp(line, ACKS_HEAD, size) != 0)
        return false;
    const char *at = line + size;
    if (!acks_number(&at, ' ', &min) || !acks_number(&at, ' ', &max) || *at != '\n' ||
        min < VALUE_HEAD || max < min || max > ACKS_VALUE_MAX)
        return false;
    *out_min = min;
    *out_max = max;
    return true;
}

static int acks_order(const void *a, const void *b)
{
    const struct ack *x = a, *y = b;
    return (x->key > y->key) - (x->key < y->key);
}

/* All lines behind the head. */
static int acks_read_lines(FILE *file, struct buf *out)
{
    char line[ACKS_LINE];
    struct ack ack;
    int err = 0;
    while (err == 0 && fgets(line, sizeof line, file) != NULL)
        err = acks_parse(line, &ack) ? buf_append(out, &ack, sizeof ack) : ERR_BAD_ARGUMENT;
    return err == 0 && ferror(file) ? ERR_IO : err;
}

int acks_read(const char *path, struct ack **out_acks, size_t *out_count, size_t *out_min,
              size_t *out_max, char out_detail[static ACKS_DETAIL_SIZE])
{
    char line[ACKS_LINE] = "";
    struct buf found;
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return acks_cannot(ERR_IO, out_detail, "read", path);
    buf_init(&found);
    int err = ERR_BAD_ARGUMENT;
    if (fgets(line, sizeof line, file) != NULL && acks_parse_head(line, out_min, out_max))
        err = acks_read_lines(file, &found);
    fclose(file);
    if (err != 0) {
        buf_deinit(&found);
        return acks_cannot(err, out_detail, err == ERR_BAD_ARGUMENT ? "make sense of" : "read",
                           path);
    }
    *out_count = found.size / sizeof(struct ack);
    *out_acks = (struct ack *)(void *)found.data;
    if (*out_count > 0)
        qsort(*out_acks, *out_count, sizeof **out_acks, acks_order);
    return 0;
}
