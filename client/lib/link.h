/* SPDX-License-Identifier: BSD-3-Clause
 *
 * struct link: a non-blocking socket with a buffer each way and deadlines. Knows no messages.
 */
#pragma once

#include "client/lib/target.h"
#include "common/buf.h"

#define LINK_NEVER UINT64_MAX /* a deadline that does not come */

struct link {
    int fd;        /* -1: closed */
    struct buf in; /* received; in.data[0..in_taken) was used already */
    size_t in_taken;
    struct buf out; /* to be written; out.data[0..out_sent) was already */
    size_t out_sent;
};

/* A closed link. */
void link_init(struct link *link);

/* Close and release the buffers. */
void link_deinit(struct link *link);

/* Close the socket; what was received stays. */
void link_close(struct link *link);

/* Connect by the deadline (of clock_mono_ns). 0 or a negative enum cairn_status told in *error. */
MUST_USE int link_open(struct link *link, const struct target *target, uint64_t deadline_ns,
                       struct cairn_error *error);

/* Write what is queued as far as the socket takes it, without waiting. */
MUST_USE int link_write(struct link *link, struct cairn_error *error);

/* Wait until something could be read (if in has less than in_max bytes) or written (if anything is
 * queued), and do it. 0 or a negative enum cairn_status told in *error; DISCONNECTED closes. */
MUST_USE int link_pump(struct link *link, size_t in_max, uint64_t deadline_ns,
                       struct cairn_error *error);

/* Bytes received and not used; view valid until the next link_pump. */
static inline struct bytes link_unread(const struct link *link)
{
    if (link->in.size == link->in_taken)
        return BYTES_NONE;
    return (struct bytes){link->in.data + link->in_taken, link->in.size - link->in_taken};
}

static inline size_t link_unwritten(const struct link *link)
{
    return link->out.size - link->out_sent;
}

/* Is the link open at both ends, as far as is known? Waits for nothing, reads nothing. */
bool link_is_open(const struct link *link);

/* Is an idle link still good: open, and nothing came that nobody asked for? */
bool link_is_quiet(const struct link *link);

/* The deadline that lies timeout_ms ahead; UINT32_MAX: LINK_NEVER. */
uint64_t link_deadline(uint32_t timeout_ms);
