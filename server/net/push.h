/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Pushing: what the watches of a loop's connections are told, once per turn of the loop, and waking
 * other loops for what this one has committed.
 */
#pragma once

#include "server/net/loop.h"

/* Let this loop be woken for its watches. Once, before it runs. */
void push_init(struct loop *loop);
void push_deinit(struct loop *loop);

/* Write notifications into the output of connections, for no longer than half a millisecond; what
 * is left comes in the next turn, which follows at once. */
void push_events(struct loop *loop);

/* The loop is about to sleep: others are told what it has committed; and it will not sleep if there
 * is something new for its own watches. */
void push_before_sleep(struct loop *loop);
