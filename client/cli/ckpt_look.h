/* SPDX-License-Identifier: BSD-3-Clause
 *
 * cairn ckpt show and cairn ckpt diff: looking at checkpoints. Both return an exit code.
 */
#pragma once

#include "client/cli/args.h"
#include "client/cli/print.h"
#include "client/cli/session.h"

int ckpt_show_run(struct session *session, struct args *args, struct bytes params,
                  struct printer *printer, struct usage *usage);
int ckpt_diff_run(struct session *session, struct args *args, struct bytes params,
                  struct printer *printer, struct usage *usage);
