/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Writes .hlog files.
 *
 *   counts -> ZigZag LEB128, runs of zeros as one negative number -> header -> zlib -> base64
 *
 * How: common/hist.h has the buckets of an HdrHistogram of two significant digits and unit 1, so
 * that our counts are its counts (encoding V2 of org.HdrHistogram.AbstractHistogram).
 *
 * Invariants: all numbers of the encoding are big-endian; a tag has letters, digits and '_'.
 * Threads: the main thread. Failures: ERR_OUT_OF_MEMORY.
 */
#include "client/loadgen/hdr_log.h"

#include "build_version.h"
#include "common/base64.h"
#include "common/clock.h"
#include "common/err.h"

#include <ctype.h>
#include <endian.h>
#include <libdeflate.h>
#include <string.h>
#include <time.h>

enum {
    HDR_COOKIE = 0x1c849303 | 0x10,            /* V2, counts as LEB128 */
    HDR_COOKIE_COMPRESSED = 0x1c849304 | 0x10, /* the same in zlib */
    HDR_DIGITS = 2,
    HDR_HEAD_BYTES = 40,
    HDR_COUNT_BYTES = 9, /* of a count at most */
    HDR_LEVEL = 6,       /* of zlib */
};

_Static_assert(HIST_SUB_BITS == 7, "two digits are 2^7 buckets to an octave");

struct hdr_log {
    FILE *out;
    struct libdeflate_compressor *packer;
    struct buf plain, packed, text;
};

/* ---- encoding ---- */

static void hdr_put_u32(struct buf *buf, uint32_t value)
{
    uint32_t big = htobe32(value);
    memcpy(buf->data + buf->size, &big, sizeof big);
    buf->size += sizeof big;
}

static void hdr_put_u64(struct buf *buf, uint64_t value)
{
    uint64_t big = htobe64(value);
    memcpy(buf->data + buf->size, &big, sizeof big);
    buf->size += sizeof big;
}

/* Seven bits to a byte, the lowest first; the ninth byte has eight. */
static void hdr_put_count(struct buf *buf, int64_t count)
{
    uint64_t rest = (uint64_t)count << 1 ^ (uint64_t)(count >> 63);
    for (unsigned i = 0; i + 1 < HDR_COUNT_BYTES && rest >= 0x80; i++, rest >>= 7)
        buf->data[buf->size++] = (uint8_t)(rest | 0x80);
    buf->data[buf->size++] = (uint8_t)rest;
}

/* All counts up to the last that is not 0. */
static void hdr_put_counts(struct buf *buf, const struct hist *hist)
{
    int64_t zeros = 0;
    for (unsigned i = 0; i < HIST_BUCKETS; i++) {
        if (hist->bucket[i] == 0) {
            zeros++;
            continue;
        }
        if (zeros > 0)
            hdr_put_count(buf, zeros == 1 ? 0 : -zeros);
        zeros = 0;
        hdr_put_count(buf, (int64_t)hist->bucket[i]);
    }
}

static int hdr_encode(struct buf *buf, const struct hist *hist)
{
    const double ratio = 1; /* of integers to the values they stand for */
    uint64_t ratio_bits;
    buf->size = 0;
    int err = buf_reserve(buf, HDR_HEAD_BYTES + (size_t)HIST_BUCKETS * HDR_COUNT_BYTES);
    if (err != 0)
        return err;
    memcpy(&ratio_bits, &ratio, sizeof ratio_bits);
    buf->size = HDR_HEAD_BYTES;
    hdr_put_counts(buf, hist);
    size_t size = buf->size;
    buf->size = 0;
    hdr_put_u32(buf, HDR_COOKIE);
    hdr_put_u32(buf, (uint32_t)(size - HDR_HEAD_BYTES));
    hdr_put_u32(buf, 0); /* no bucket is shifted */
    hdr_put_u32(buf, HDR_DIGITS);
    hdr_put_u64(buf, 1); /* smallest value told apart from 0 */
    hdr_put_u64(buf, ((uint64_t)1 << HIST_TOP_BITS) - 1);
    hdr_put_u64(buf, ratio_bits);
    buf->size = size;
    return 0;
}

/* `plain` into `packed`. */
static int hdr_pack(struct hdr_log *log)
{
    const size_t head = 2 * sizeof(uint32_t);
    size_t bound = libdeflate_zlib_compress_bound(log->packer, log->plain.size);
    log->packed.size = 0;
    int err = buf_reserve(&log->packed, head + bound);
    if (err != 0)
        return err;
    size_t size = libdeflate_zlib_compress(log->packer, log->plain.data, log->plain.size,
                                           log->packed.data + head, bound);
    REQUIRE(size > 0); /* it fits */
    hdr_put_u32(&log->packed, HDR_COOKIE_COMPRESSED);
    hdr_put_u32(&log->packed, (uint32_t)size);
    log->packed.size += size;
    return 0;
}

/* ---- lines ---- */

/* A name without what has a meaning in a line. */
static void hdr_tag(FILE *out, const char *name)
{
    fputs("Tag=", out);
    for (; *name != 0; name++)
        fputc(isalnum((unsigned char)*name) ? *name : '_', out);
    fputc(',', out);
}

/* tag NULL: an interval of the response time. */
static int hdr_line(struct hdr_log *log, const char *tag, uint64_t start_ns, uint64_t length_ns,
                    const struct hist *hist)
{
    if (hist->count == 0)
        return 0;
    int err = hdr_encode(&log->plain, hist);
    if (err == 0)
        err = hdr_pack(log);
    log->text.size = 0;
    if (err == 0)
        err = base64_encode(buf_bytes(&log->packed), &log->text);
    if (err != 0)
        return err;
    if (tag != NULL)
        hdr_tag(log->out, tag);
    fprintf(log->out, "%.3f,%.3f,%.3f,%.*s\n", (double)start_ns / 1e9, (double)length_ns / 1e9,
            (double)hist->max / 1e6, (int)log->text.size, (const char *)log->text.data);
    return 0;
}

static int hdr_intervals(struct hdr_log *log, const struct series *series)
{
    struct hist hist;
    int err = 0;
    for (unsigned i = 0; i < series->n && err == 0; i++) {
        const struct series_row *row = &series->row[i];
        hist_init(&hist);
        hist.count = row->requests;
        hist.max = row->max_ns;
        for (unsigned j = 0; j < HIST_BUCKETS; j++)
            hist.bucket[j] = row->bucket[j];
        err = hdr_line(log, NULL, row->start_ns, row->length_ns, &hist);
    }
    return err;
}

static int hdr_wholes(struct hdr_log *log, const struct result *result)
{
    const struct workload *workload = result->workload;
    uint64_t length = result->elapsed_ns;
    int err = hdr_line(log, "whole", 0, length, &result->latency);
    if (err == 0 && result->offered > 0)
        err = hdr_line(log, "service", 0, length, &result->service);
    for (unsigned i = 0; i < workload->n_shapes && err == 0 && workload_mixes(workload); i++)
        err = hdr_line(log, workload->shapes[i]->name, 0, length, &result->by_shape[i]);
    return err;
}

/* Times of the lines count from when the test began. */
static void hdr_head(FILE *out, const struct result *result)
{
    char text[40] = "";
    struct tm tm;
    double ago = (double)(clock_mono_ns() - result->begun_ns) / 1e9;
    double begun = (double)clock_wall_ms() / 1e3 - ago;
    time_t second = (time_t)begun;
    if (gmtime_r(&second, &tm) != NULL)
        (void)strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm);
    fputs("#[Logged with loadgen " CAIRN_VERSION "]\n"
          "#[Histogram log format version 1.3]\n",
          out);
    fprintf(out, "#[StartTime: %.3f (seconds since epoch), %s]\n", begun, text);
    fprintf(out, "#[BaseTime: %.3f (seconds since epoch)]\n", begun);
    fputs("\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\","
          "\"Interval_Compressed_Histogram\"\n",
          out);
}

int hdr_log_write(FILE *out, const struct result *result)
{
    struct hdr_log log = {.out = out, .packer = libdeflate_alloc_compressor(HDR_LEVEL)};
    int err = log.packer != NULL ? 0 : ERR_OUT_OF_MEMORY;
    hdr_head(out, result);
    if (err == 0)
        err = hdr_intervals(&log, &result->series);
    if (err == 0)
        err = hdr_wholes(&log, result);
    if (log.packer != NULL)
        libdeflate_free_compressor(log.packer);
    buf_deinit(&log.plain);
    buf_deinit(&log.packed);
    buf_deinit(&log.text);
    return err;
}
