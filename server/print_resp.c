/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Prints the commands of the RESP port as Markdown: docs/resp.md.
 *
 * How: a table for each group, in the order of proto/resp.def; the prose around it stands here.
 * Invariants: what the page says about a command comes from its row.
 * Threads: none of its own; the table is constant.
 * Failures: see print.c.
 */
#include "server/print.h"

#include "proto/resp_command.h"
#include "server/print_impl.h"

#include <ctype.h>
#include <string.h>

static const char resp_intro[] =
    "`listen.resp` (127.0.0.1:7421) speaks RESP2 and, after `HELLO 3`, RESP3, the protocols of\n"
    "Redis: redis-cli, redis-benchmark and the client libraries for Redis work there by changing "
    "a\n"
    "URL. Commands work on values and collections of vectors in the run `default`, on the same "
    "records as\n"
    "MessagePack-RPC: what is put over one is read over the other.\n"
    "\n"
    "* Values from RESP are stored as bin, `INCR` and its kin store numbers. A number reads as "
    "its\n"
    "  decimal text; an array or map, which only MessagePack-RPC can store, as an array or map.\n"
    "* `MULTI` ... `EXEC` is one atomic batch: all of it at one instant, a command that fails "
    "leaves\n"
    "  the others alone, a watched key with another version makes `EXEC` answer nil.\n"
    "* Replies, and the errors that clients match, are those of Redis 7; a test compares them "
    "with\n"
    "  redis-server byte for byte.\n"
    "\n"
    "What differs from Redis:\n"
    "\n"
    "* There is database 0 alone, and only what is listed below. Other types than strings and\n"
    "  vector sets have no commands here (yet); scripts, publish and subscribe neither.\n"
    "* A key must not be empty and has at most `limits.key_bytes` bytes; other limits are listed "
    "by\n"
    "  `server.info` and named in errors.\n"
    "* `WATCH` compares versions: a key that was absent and is absent again at `EXEC` has not\n"
    "  changed. Commands that see more than single keys (marked *alone*) cannot stand in `MULTI`.\n"
    "* `WAIT` answers 0 at once: there are no replicas to wait for. `MONITOR` is refused.\n"
    "* `KEYS` and `FLUSHALL` go on in slices while others are served. `FLUSHALL` and `FLUSHDB`\n"
    "  delete the keys of the run `default`, and of no other.\n"
    "* `INFO keyspace` counts in `keys` what `DBSIZE` does; `expires` are the keys of all runs\n"
    "  that expire, but never more than `keys`.\n"
    "* `INFO commandstats`, `CLIENT LIST` and `SLOWLOG` name operations (`kv.get`), as the "
    "metrics\n"
    "  do, and the slow log keeps no arguments. Counters only grow: no `CONFIG RESETSTAT`.\n"
    "* `CONFIG GET` and `SET` know a few options by the names of Redis (`maxmemory`, "
    "`maxclients`,\n"
    "  `timeout`) and all of ours by their own.\n";

static const char resp_vector_sets[] =
    "\n"
    "Vector sets are the collections of [vectors.md](vectors.md): `VADD` makes one of metric "
    "cosine,\n"
    "together with its first element, and MessagePack-RPC sees the same vectors. Scores are from 0 "
    "to 1,\n"
    "(1 + cosine) / 2, as in Redis 8; of a collection of another metric, (1 + its score) / 2. "
    "What\n"
    "differs:\n"
    "\n"
    "* Without `Q8` a set is not quantized: a vector is kept as it came, in 32 bits. With `Q8`, as "
    "there,\n"
    "  only bytes of it are kept, and `VEMB` gives what they say. `VEMB` has no `RAW`; `BIN` and "
    "`REDUCE`\n"
    "  are refused.\n"
    "* Quantization and `M` hold for the set: others than it has are refused, if given. `CAS`, "
    "`EF` of\n"
    "  `VADD`, `NOTHREAD` and `FILTER-EF` are accepted and change nothing: workers link, a "
    "filter\n"
    "  [loses nothing](vectors.md#filters).\n"
    "* A vector set is a key: `DEL`, `EXISTS`, `TYPE` (`vectorset`), `SCAN`, `KEYS`, `DBSIZE` and\n"
    "  `FLUSHALL` see it, `SET` replaces it, `VREM` of the last element removes it, and commands "
    "for\n"
    "  strings refuse it with `WRONGTYPE`, as those for vector sets refuse a string. But it does "
    "not\n"
    "  expire (`EXPIRE` refuses it, too), `COPY` and `RENAME` do not exist, and `WATCH` sees that "
    "it is\n"
    "  made or removed, not what becomes of its elements.\n"
    "* Over MessagePack-RPC names of values and of collections are independent, so that a name can "
    "be\n"
    "  both: commands for strings then see the value, those for vector sets the set, `TYPE` says\n"
    "  `string`, `DBSIZE` and `SCAN` count both, `DEL` deletes both. A collection that has become "
    "empty\n"
    "  over there stays, with its dimension.\n"
    "* Commands on vector sets cannot stand in `MULTI`; `DEL`, `EXISTS`, `TYPE` and `SET` of one "
    "can.\n"
    "* Attributes are a JSON object, which comes back as the same values in the same order, not in "
    "the\n"
    "  same spaces; integers are exact. Anything else than an object is refused.\n"
    "* `FILTER` takes the expressions of Redis but arithmetic: `.field` alone or compared with a "
    "number,\n"
    "  string or `null` (`== != < <= > >= in`), `value in .field`, `and`, `or`, `not`, "
    "parentheses.\n"
    "  As there, a field that is missing makes the whole expression false. Values of different "
    "types\n"
    "  are not equal, but `true` equals 1 and `false` 0 (they are not ordered). `.a.b` is field "
    "`b` "
    "in\n"
    "  object `a`.\n"
    "* `VINFO` has `metric`, `index`, `state`, `tail` and `bytes` instead of what it says of nodes "
    "and\n"
    "  levels. `VLINKS` of an element that is not in the graph (`state`, `tail`) is one level "
    "without links.\n"
    "* `VRANDMEMBER` gives at most `limits.page_items` elements at once. `VRANGE` without count "
    "goes "
    "on in\n"
    "  slices while others are served: what exists throughout is there once.\n"
    "* Texts of errors about vectors are ours; each says what to do.\n";

static void print_upper(FILE *out, const char *text)
{
    for (; *text != '\0'; text++)
        (void)fputc(toupper((unsigned char)*text), out);
}

static void print_row(FILE *out, const struct resp_command *command)
{
    bool write = (command->flags & RESP_WRITE) != 0, alone = (command->flags & RESP_ALONE) != 0;
    (void)fputs("| `", out);
    print_upper(out, command->name);
    if (command->arguments[0] != '\0')
        (void)fputc(' ', out);
    print_cell(out, command->arguments);
    (void)fputs("` | ", out);
    if (command->op >= 0)
        (void)fprintf(out, "`%s`", op_table[command->op].name);
    (void)fprintf(out, " | %s%s%s | ", write ? "write" : "", write && alone ? ", " : "",
                  alone ? "alone" : "");
    print_cell(out, command->summary);
    (void)fputs(" |\n", out);
}

static void print_group(FILE *out, const char *group)
{
    (void)fprintf(out, "\n## %c", toupper((unsigned char)group[0]));
    for (const char *p = group + 1; *p != '\0'; p++)
        (void)fputc(*p == '_' ? ' ' : *p, out);
    (void)fputs("\n\n", out);
    (void)fputs("| command | operation | | meaning |\n|---|---|---|---|\n", out);
    for (unsigned i = 0; i < RESP_COUNT; i++) {
        const struct resp_command *command = &resp_table[i];
        if (strcmp(command->group, group) == 0)
            print_row(out, command);
    }
}

int print_resp(FILE *out)
{
    print_page(out, "Commands of the RESP port", "proto/resp.def");
    (void)fputs(resp_intro, out);
    (void)fputs(resp_vector_sets, out);
    for (unsigned i = 0; i < RESP_COUNT; i++) {
        bool first = true;
        for (unsigned k = 0; k < i; k++)
            first = first && strcmp(resp_table[k].group, resp_table[i].group) != 0;
        if (first)
            print_group(out, resp_table[i].group);
    }
    return print_result(out);
}
