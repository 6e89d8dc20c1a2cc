/* SPDX-License-Identifier: BSD-3-Clause
 *
 * cairn ckpt export and cairn ckpt import: between a server and a file (ckpt_file.h).
 */
#pragma once

#include "client/cli/args.h"
#include "client/cli/print.h"
#include "client/cli/session.h"

/* Write all pages as a file. An exit code, as below. */
int ckpt_export_run(struct session *session, struct args *args, struct bytes params,
                    struct printer *printer, struct usage *usage);

/* Read and verify args->input, then send all of it. params: the other arguments. */
int ckpt_import_run(struct session *session, struct args *args, struct bytes params,
                    struct printer *printer, struct usage *usage);
