/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Signals as flags that the program asks for: Ctrl-C, a terminal that changed its size, the end.
 */
#pragma once

#include <stdbool.h>

/* From now on, remember this signal instead of acting on it. */
void signals_catch(int number);

/* Did the signal come since it was last taken? */
bool signals_take(int number);

/* Wait until fd (-1: none) can be read, a caught signal comes, or timeout_ms have passed (-1: never
 * mind). A signal that came before the call ends it at once. */
void signals_wait(int fd, int timeout_ms);
