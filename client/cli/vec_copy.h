/* SPDX-License-Identifier: BSD-3-Clause
 *
 * cairn vec import and cairn vec export: between a collection and a file (vec_file.h). Both return
 * an exit code.
 */
#pragma once

#include "client/cli/args.h"
#include "client/cli/print.h"
#include "client/cli/session.h"

/* Read a file row by row and send the vectors, several requests at a time. */
int vec_import_run(struct session *session, struct args *args, struct bytes params,
                   struct printer *printer, struct usage *usage);

/* Write all vectors as lines of JSON, or as an .npy file, that an import takes. */
int vec_export_run(struct session *session, struct args *args, struct bytes params,
                   struct printer *printer, struct usage *usage);
