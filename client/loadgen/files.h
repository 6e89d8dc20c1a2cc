/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What is written to files besides the output: --json-file, --html, --markdown, --ndjson, --hdr and
 * --ack-log; and how a file is written.
 */
#pragma once

#include "client/loadgen/acks.h"
#include "client/loadgen/hdr.h"
#include "client/loadgen/ndjson.h"

#include <jansson.h>
#include <sys/types.h>

struct files {
    struct acks acks; /* fd -1: none */
    struct ndjson ndjson;
    const char *hdr;                    /* prefix; "": none */
    const char *json, *html, *markdown; /* paths; "": none */
};

enum { FILES_DETAIL_SIZE = HDR_DETAIL_SIZE };

/* Open what the options ask for, before anything is measured; the plan learns of the log. 0, or
 * ERR_IO with a sentence. */
MUST_USE int files_open(struct files *files, const struct options *options, struct plan *plan,
                        char out_detail[static FILES_DETAIL_SIZE]);

/* What stands in front of results; then each result. 0, or ERR_IO with a sentence. */
void files_begin(struct files *files, const struct report_run *run);
MUST_USE int files_result(struct files *files, const struct report_run *run,
                          const struct result *result, char out_detail[static FILES_DETAIL_SIZE]);

/* --hdr alone, of a result that is a step of a search ("": none). 0, or ERR_IO with a sentence. */
MUST_USE int files_hdr(const struct files *files, const char *step, const struct result *result,
                       char out_detail[static FILES_DETAIL_SIZE]);

/* What is made of the document: `json` is its text (a file), `document` what is in it. All that can
 * be written is. 0, or ERR_IO with a sentence. */
MUST_USE int files_document(const struct files *files, FILE *json, const json_t *document,
                            char out_detail[static FILES_DETAIL_SIZE]);

/* Copy a file from its begin behind what stands in another. */
MUST_USE bool files_copy(FILE *from, FILE *to);

/* A new file: the copy of another, or what is made of the document. `option` asked for it. 0, or
 * ERR_IO with a sentence. */
MUST_USE int files_copy_to(const char *option, const char *path, FILE *from,
                           char out_detail[static FILES_DETAIL_SIZE]);
MUST_USE int files_make(const char *option, const char *path,
                        int (*make)(FILE *out, const json_t *document), const json_t *document,
                        char out_detail[static FILES_DETAIL_SIZE]);

/* Make a folder and those above it, unless they are there. False, with errno: nothing can be
 * written there. */
MUST_USE bool files_make_folder(const char *path, mode_t mode);

/* 0, or ERR_IO with a sentence: not everything could be written. */
MUST_USE int files_close(struct files *files, char out_detail[static FILES_DETAIL_SIZE]);
