/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Results on stdout: as JSON, as bytes, or as lines of a list.
 *
 * All functions return 0 or a negative enum err; whether stdout took the bytes is seen by
 * print_finish.
 */
#pragma once

#include "common/buf.h"
#include "proto/mp.h"

#include <stdio.h>

struct printer {
    FILE *out;
    bool json;      /* one line of JSON, whatever it is */
    bool raw;       /* str and bin as their bytes */
    uint64_t items; /* printed so far in a list of pages */
    struct buf text;
};

/* {items: [...], cursor: bytes or nil} as a list of its parts. */
struct print_page {
    struct mp_reader items; /* at the first item */
    uint32_t count;
    struct bytes cursor; /* data NULL: there is no more */
};

void print_init(struct printer *printer, FILE *out);
void print_deinit(struct printer *printer);

/* Any result. By default JSON, on several lines if it is long; a str or bin with raw: its bytes. */
MUST_USE int print_result(struct printer *printer, struct bytes packed);

/* Is this result a page? The views in *out point into it. */
bool print_find_page(struct bytes packed, struct print_page *out);

/* A list: begin, any number of pages, end. One line for each item, its parts separated by tabs;
 * with json one document {"items": [...], "cursor": null}. */
MUST_USE int print_list_begin(struct printer *printer);
MUST_USE int print_list_page(struct printer *printer, const struct print_page *page);
MUST_USE int print_list_end(struct printer *printer);

/* Did everything arrive at stdout? */
MUST_USE bool print_finish(struct printer *printer);
