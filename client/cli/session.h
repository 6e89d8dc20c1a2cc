/* SPDX-License-Identifier: BSD-3-Clause
 *
 * struct session: the server that commands go to, whether connected or not. A connection that is
 * lost comes back with the run and the login it had.
 */
#pragma once

#include "client/cli/options.h"
#include "client/include/cairn.h"
#include "common/bytes.h"

enum { SESSION_TEXT_BYTES = 1024 };

struct session {
    const struct options *options; /* those before the command */
    struct cairn *c;               /* NULL: not connected */
    struct cairn_error error;      /* of the latest session_call */
    bool has_lines;                /* many commands, from standard input */
    bool catches_interrupt;        /* SIGINT is caught: it ends a wait, not the program */
    unsigned connects;             /* how often a connection was made */
    bool interrupted;              /* the latest call ended because of SIGINT */
    bool owes;                     /* a reply may still come that nobody waits for */
    uint32_t timeout_ms;           /* of the next call; UINT32_MAX: for ever */
    const char *address;           /* for cairn_connect; may hold a token; NULL: the default */
    char made[512];                /* `address` if it was made of host, port or socket */
    char place[288];               /* the same for people: 127.0.0.1:7420, never with a token */
    char place_run[128];           /* the run that is part of the address, as it stands there */
    char run[SESSION_TEXT_BYTES], token[SESSION_TEXT_BYTES]; /* chosen otherwise; empty: not */
};

/* Find out where to connect; nothing is connected. `options` must live as long as the session. 0,
 * or a negative enum err told in *usage. */
MUST_USE int session_init(struct session *session, const struct options *options,
                          struct usage *usage);

/* Close and forget. */
void session_deinit(struct session *session);

/* Have a connection that can be used, with this timeout for each call (0: for ever). slow: without
 * a timeout given there is none. EXIT_DONE, or the exit code of what was told on stderr. */
int session_ready(struct session *session, const struct options_ms *timeout, bool slow);

/* Call a method, as cairn_call does; session->error tells why it failed. The session remembers a
 * run that was chosen and a token that was accepted. */
int session_call(struct session *session, const char *method, struct bytes params,
                 struct bytes *out_result);

/* Several calls at once: send as many as are wanted, then receive a reply for each, in any order.
 * Results as those of session_call; a reply that is an error has *out_msgid, too, what ends the
 * connection has not (it is 0). */
int session_send(struct session *session, const char *method, struct bytes params,
                 uint32_t *out_msgid);
int session_receive(struct session *session, struct bytes *out_result, uint32_t *out_msgid);

/* Tell an error on stderr; the exit code for it. */
int session_tell(const struct cairn_error *error);
