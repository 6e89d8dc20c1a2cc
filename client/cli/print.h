/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Results on stdout: as JSON, as bytes, or as lines of a list.
 *
 * Functions return 0 or a negative enum err, unless they say otherwise; whether stdout took the
 * bytes is seen by print_flush.
 */
#pragma once

#include "common/buf.h"
#include "proto/mp.h"
#include "proto/op.h"

#include <stdio.h>

struct printer {
    FILE *out;
    bool json;        /* one line of JSON, whatever it is */
    bool raw;         /* str and bin as their bytes */
    bool tables;      /* lists as tables, for people */
    unsigned width;   /* of tables */
    unsigned columns; /* of the terminal; 0: it is none */
    uint64_t items;   /* printed so far in a list of pages */
    struct buf text;
    struct table *table; /* of the list that is being printed; NULL: none yet */
};

/* {items: [...], cursor: bytes, a number, or nil} as a list of its parts. */
struct print_page {
    struct mp_reader items; /* at the first item */
    uint32_t count;
    struct bytes cursor; /* packed; data NULL: there is no more */
};

/* Tables are for a terminal alone, unless asked for; what reads a pipe gets the same lines as
 * ever. */
void print_init(struct printer *printer, FILE *out, bool json, bool raw, bool table);
void print_deinit(struct printer *printer);

/* Any result. By default JSON, on several lines if it is long; a str or bin with raw: its bytes. */
MUST_USE int print_result(struct printer *printer, struct bytes packed);

/* Is this result a page? The views in *out point into it. */
bool print_find_page(struct bytes packed, struct print_page *out);

/* Step over one value; false if there is none. */
bool print_skip(struct mp_reader *reader, struct bytes *out_packed);

/* One part of a line: the first as it is if it may be, others behind a tab as JSON. */
MUST_USE int print_part(struct printer *printer, struct bytes packed, bool first);

/* May these bytes stand without quotes at the beginning of a line? */
bool print_is_plain(struct bytes bytes);

/* A list of `op`: begin, any number of pages, end. One line for each item, its parts separated by
 * tabs; with tables one table; with json one document {"items": [...], "cursor": null}. */
MUST_USE int print_list_begin(struct printer *printer);
MUST_USE int print_list_page(struct printer *printer, const struct op *op,
                             const struct print_page *page);
MUST_USE int print_list_end(struct printer *printer);

/* Did everything arrive at stdout? Then `code`, else another exit code, and that is told. */
MUST_USE int print_flush(int code);
