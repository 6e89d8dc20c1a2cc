/* SPDX-License-Identifier: BSD-3-Clause
 *
 * One segment of the log by itself: for tools, which want to know of every file what it holds, also
 * behind the place where recovery refuses.
 *
 * What a segment is together with its neighbours is for the caller to say (server/survey.h); what
 * recovery makes of all of them, for replay (server/wal/replay.h). Nothing is changed on disk.
 */
#pragma once

#include "server/wal/replay_tail.h"
#include "server/wal/segment.h"

struct inspection {
    char name[FILE_NAME_MAX + 1];
    uint64_t name_lsn, bytes; /* as the name says; of the file */
    int header_err;           /* 0, or ERR_DATA_DAMAGED, ERR_DATA_FORMAT: the rest is 0 then */
    struct segment_header header;
    uint64_t entries, notes;      /* that take an LSN; that do not */
    uint64_t first_lsn, last_lsn; /* of the entries; none: 0, and that of the segment before */
    uint64_t end;                 /* behind the last that is good */
    uint32_t crc;                 /* of that */
    uint64_t synced;              /* the highest watermark */
    bool clean;                   /* it ends with a clean shutdown */
    struct tail_finding tail;     /* what stands behind the end; without `limit` */
};

/* Told of each good entry, also of those without an LSN; `found` is as of before it. Not 0 ends the
 * inspection with that. */
typedef int (*inspect_fn)(void *context, const struct inspection *found, const struct entry *entry);

struct inspect_options {
    struct dir *dir;
    uint64_t name_lsn;
    uint64_t limit;   /* where the next header says that the entries end: no more is read; 0: nobody
                       says. SEGMENT_HEADER_BYTES: look at the header only */
    inspect_fn entry; /* may be NULL */
    void *context;
};

/* 0 and *out, whatever state the segment is in; what `entry` returned, with *out as of before that
 * entry; ERR_IO or ERR_OUT_OF_MEMORY, with out_text. */
MUST_USE int inspect_segment(const struct inspect_options *options, struct inspection *out,
                             char out_text[static 256]);

/* First LSNs, by their names, of all segments there, ascending; mem_free'd by the caller. 0 or a
 * negative errno. */
MUST_USE int inspect_list(struct dir *dir, uint64_t **out_lsns, size_t *out_n);
