/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Commands of cairnd that look at a data directory no server uses, and change nothing in it:
 *
 *   cairnd check DIR     server/offline_check.c
 *   cairnd waldump DIR   server/offline_dump.c
 */
#pragma once

#include <stdbool.h>

/* Is this the name of such a command? */
bool offline_knows(const char *word);

/* Run it: argv[0] is its name. Returns the exit status of the process (sysexits.h). */
int offline_main(int argc, char **argv);
