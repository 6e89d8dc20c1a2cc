/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The tables in their printed forms: the configuration file, the reference pages of docs/, and the
 * man pages that are lists. The
 * files in the tree are this output, and the test suite compares them.
 *
 * Output depends on the tables (and `config`) only. All return 0, ERR_IO if `out` could not be
 * written, and print_config ERR_OUT_OF_MEMORY.
 */
#pragma once

#include "common/check.h"
#include "server/config.h"

#include <stdio.h>

/* YAML with these values, and each option's text as comment: with all defaults, conf/cairn.yaml. */
MUST_USE int print_config(FILE *out, const struct config *config);

MUST_USE int print_config_markdown(FILE *out); /* docs/config.md */
MUST_USE int print_commands(FILE *out);        /* docs/commands.md */
MUST_USE int print_errors(FILE *out);          /* docs/errors.md */
MUST_USE int print_metrics(FILE *out);         /* docs/metrics.md */
MUST_USE int print_resp(FILE *out);            /* docs/resp.md */
MUST_USE int print_config_man(FILE *out);      /* docs/man/cairn.yaml.5 */
MUST_USE int print_commands_man(FILE *out);    /* docs/man/cairn-commands.7 */
