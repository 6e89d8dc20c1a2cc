/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Prints the man pages that are lists: cairn.yaml(5) and cairn-commands(7).
 *
 * How: mdoc. What is prose for all rows stands here, what is about one row comes from its table.
 * The other pages, which are prose, are written by hand in docs/man.
 *
 * Invariants: text from a table never reads as a request of roff.
 * Threads: none of its own; the tables are constant.
 * Failures: see print.c.
 */
#include "server/print.h"

#include "common/err.h"
#include "server/print_impl.h"

#include <ctype.h>
#include <string.h>

/* A character of prose. What would begin a request, and what roff makes typographic, is escaped; a
 * dash stays one between letters, and becomes what can be typed in front of an option. */
static void man_char(FILE *out, char before, char c)
{
    if (c == '\\')
        (void)fputs("\\e", out);
    else if (c == '\'')
        (void)fputs("\\(aq", out);
    else if (c == '`')
        (void)fputs("\\(ga", out);
    else if (c == '^')
        (void)fputs("\\(ha", out);
    else if (c == '~')
        (void)fputs("\\(ti", out);
    else if (c == '-' && !isalnum((unsigned char)before))
        (void)fputs("\\-", out);
    else if (c == '.' && before == '\0')
        (void)fputs("\\&.", out);
    else
        (void)fputc(c, out);
}

/* Text as lines of their own, a sentence on each. */
static void man_text(FILE *out, const char *text)
{
    char before = '\0';
    for (; *text != '\0'; text++) {
        bool is_end = *text == ' ' && before == '.';
        if (is_end)
            (void)fputc('\n', out);
        else
            man_char(out, before, *text);
        before = is_end ? '\0' : *text;
    }
    (void)fputc('\n', out);
}

static void man_head(FILE *out, const char *table, const char *name, const char *section,
                     const char *summary)
{
    (void)fprintf(out,
                  ".\\\" SPDX-License-Identifier: BSD-3-Clause\n"
                  ".\\\" Generated from %s; change it there.\n"
                  ".Dd November 21, 2026\n"
                  ".Dt ",
                  table);
    for (const char *p = name; *p != '\0'; p++)
        (void)fputc(toupper((unsigned char)*p), out);
    (void)fprintf(out,
                  " %s\n"
                  ".Os Cairn\n"
                  ".Sh NAME\n"
                  ".Nm %s\n"
                  ".Nd %s\n",
                  section, name, summary);
}

/* ---- cairn.yaml(5) ---- */

static const char man_config_begin[] =
    ".Sh DESCRIPTION\n"
    "The configuration of\n"
    ".Xr cairnd 8 ,\n"
    "given by its option\n"
    ".Fl \\-config .\n"
    "The service reads\n"
    ".Pa /etc/cairn/cairn.yaml .\n"
    ".Pp\n"
    "The file is YAML: a mapping of sections, and below each a mapping of its options.\n"
    "An option that the file leaves out has its default, and so has every option of an empty\n"
    "file.\n"
    "A file with anything wrong in it is refused as a whole, and the message names the line, the\n"
    "option and what would be right.\n"
    "Anchors, lists and several documents in one file are not accepted; the file has at most\n"
    "1 MiB.\n"
    ".Pp\n"
    "In messages, on the command line and in\n"
    ".Ic server.config_get\n"
    "an option is called by section and key,\n"
    ".Cm log.level .\n"
    "A value comes from, each going before those above it:\n"
    ".Bl -enum -compact -offset indent\n"
    ".It\n"
    "its default;\n"
    ".It\n"
    "the file;\n"
    ".It\n"
    "the command line,\n"
    ".Ql cairnd \\-\\-set log.level=info ;\n"
    ".It\n"
    ".Ic server.config_set ,\n"
    "until the next reload or restart.\n"
    ".El\n"
    ".Pp\n"
    "Options that are reloadable change when the file is read again, which SIGHUP and\n"
    ".Ql systemctl reload cairnd\n"
    "ask for.\n"
    "A file that is wrong then changes nothing.\n"
    "If an option that needs a restart differs, a warning says so.\n"
    ".Ss Values\n"
    ".Bl -tag -width \"duration\"\n"
    ".It size\n"
    "Bytes: 64, 64KiB, 16MiB, 2GiB, 1TiB, in powers of 1024.\n"
    ".It duration\n"
    "250ms, 10s, 5m, 2h, 7d; a number alone is milliseconds.\n"
    ".It mode\n"
    "File permissions in octal, 0660.\n"
    ".It text\n"
    "Printable ASCII, best in double quotes.\n"
    ".El\n"
    ".Sh OPTIONS\n";

static const char man_config_end[] =
    ".Sh FILES\n"
    ".Bl -tag -width Ds\n"
    ".It Pa /etc/cairn/cairn.yaml\n"
    "The configuration of the service.\n"
    "As installed it has every option with its default and this text as comments;\n"
    ".Ql cairnd \\-\\-print\\-config\n"
    "writes such a file.\n"
    ".El\n"
    ".Sh EXAMPLES\n"
    "A cache of at most 2 GiB for this machine, on TCP and on a Unix socket:\n"
    ".Bd -literal -offset indent\n"
    "listen:\n"
    "  rpc: \"127.0.0.1:7420, /run/cairnd/rpc.sock\"\n"
    "memory:\n"
    "  limit: 2GiB\n"
    "  policy: evict\n"
    ".Ed\n"
    ".Pp\n"
    "A server for other machines, which is accepted only with credentials:\n"
    ".Bd -literal -offset indent\n"
    "listen:\n"
    "  rpc: \"0.0.0.0:7420, [::]:7420\"\n"
    "auth:\n"
    "  file: /etc/cairn/tokens\n"
    ".Ed\n"
    ".Pp\n"
    "Before a change is put in force:\n"
    ".Bd -literal -offset indent\n"
    "cairnd --config /etc/cairn/cairn.yaml --check-config &&\n"
    "    systemctl reload cairnd\n"
    ".Ed\n"
    ".Sh SEE ALSO\n"
    ".Xr cairn 1 ,\n"
    ".Xr cairn\\-protocol 7 ,\n"
    ".Xr cairnd 8\n";

static void man_option(FILE *out, enum option_id id)
{
    struct config_option option = config_option(id);
    char facts[PRINT_FACTS_SIZE];
    (void)fprintf(out, ".It Cm %s\n", option.name);
    man_text(out, option.text);
    (void)fputs(".Pp\n", out);
    print_describe(id, facts);
    man_text(out, facts);
}

int print_config_man(FILE *out)
{
    man_head(out, "server/options.def and proto/limits.def", "cairn.yaml", "5",
             "configuration file of cairnd");
    (void)fputs(man_config_begin, out);
    for (unsigned id = 0; id < OPTION_COUNT; id++) {
        if (print_is_first_of_section(id))
            (void)fprintf(out, "%s.Ss %s\n.Bl -tag -width Ds\n", id > 0 ? ".El\n" : "",
                          config_option(id).section);
        man_option(out, id);
    }
    (void)fputs(".El\n", out);
    (void)fputs(man_config_end, out);
    return print_result(out);
}

/* ---- cairn-commands(7) ---- */

static const char man_commands_begin[] =
    ".Sh DESCRIPTION\n"
    "What\n"
    ".Xr cairnd 8\n"
    "can be asked, over MessagePack-RPC as\n"
    ".Xr cairn\\-protocol 7\n"
    "describes it, or with\n"
    ".Xr cairn 1 ,\n"
    "whose command\n"
    ".Ql cairn kv put greeting hello \\-\\-ttl 10s\n"
    "is the call\n"
    ".Ic kv.put Ns No (\\(dqgreeting\\(dq, \\(dqhello\\(dq, {ttl_ms: 10000}) .\n"
    ".Pp\n"
    "A request carries an array of the positional arguments, whose last element may be a map of\n"
    "arguments by name; or one map with all of them by name.\n"
    "Below,\n"
    ".Li [...]\n"
    "is optional, and\n"
    ".Li {...}\n"
    "are arguments that can be given by name only.\n"
    "An unknown argument is an error.\n";

static const char man_commands_end[] = ".Sh SEE ALSO\n"
                                       ".Xr cairn 1 ,\n"
                                       ".Xr cairn.yaml 5 ,\n"
                                       ".Xr cairn\\-protocol 7 ,\n"
                                       ".Xr cairnd 8\n";

static void man_arguments(FILE *out, const struct arg_desc *args, unsigned count)
{
    (void)fputs(".Bl -tag -width Ds -compact\n", out);
    for (unsigned i = 0; i < count; i++) {
        (void)fprintf(out, ".It Ar %s No (%s, %s)\n", args[i].name,
                      arg_type_table[args[i].type].word, print_place(args[i].place));
        man_text(out, args[i].text);
    }
    (void)fputs(".El\n", out);
}

static void man_op(FILE *out, const struct op *op)
{
    char text[PRINT_PROPERTIES_SIZE];
    (void)fprintf(out, ".Ss %s\n.Ic %s", op->name, op->name);
    (void)fputs(" Ns No ", out);
    print_signature(out, op);
    (void)fputs("\n.Pp\n", out);
    man_text(out, op->summary);
    if (op->n_args > 0) {
        (void)fputs(".Pp\n", out);
        man_arguments(out, op->args, op->n_args);
    }
    (void)fputs(".Pp\nReply:\n", out);
    man_text(out, op->reply);
    print_properties(op, text);
    if (text[0] != '\0') {
        (void)fputs(".br\n", out);
        man_text(out, text);
    }
}

static void man_types(FILE *out)
{
    (void)fputs(".Sh TYPES\n.Bl -tag -width conditions\n", out);
    for (unsigned i = 0; i < ARG_TYPE_COUNT; i++) {
        (void)fprintf(out, ".It %s\n", arg_type_table[i].word);
        man_text(out, arg_type_table[i].text);
    }
    (void)fputs(".El\n.Pp\nstr and bin are accepted for each other everywhere.\n", out);
}

static void man_errors(FILE *out)
{
    static const struct {
        const char *name;
        bool retryable;
        const char *text;
    } rows[] = {
#define ERR(name, retryable, text) {#name, retryable, text},
#include "common/err.def"
#undef ERR
    };
    (void)fputs(".Sh ERROR CODES\n"
                "Codes are stable; messages may change.\n"
                "After those marked with an asterisk the same request may succeed later without\n"
                "being changed.\n"
                ".Bl -tag -width UNKNOWN_METHOD\n",
                out);
    for (size_t i = 0; i < LENGTH_OF(rows); i++) {
        (void)fprintf(out, ".It Er %s%s\n", rows[i].name, rows[i].retryable ? " *" : "");
        man_text(out, rows[i].text);
    }
    (void)fputs(".El\n", out);
}

int print_commands_man(FILE *out)
{
    man_head(out, "proto/ops.def, proto/types.def and common/err.def", "cairn-commands", "7",
             "operations of the Cairn state store");
    (void)fputs(man_commands_begin, out);
    for (unsigned i = 0; i < OP_COUNT; i++) {
        const struct op *op = &op_table[i];
        if (print_is_first_of_group(op))
            (void)fprintf(out, ".Sh OPERATIONS: %.*s\n", (int)print_group_size(op), op->name);
        man_op(out, op);
    }
    (void)fputs(".Sh OPTIONS OF ALL OPERATIONS\n", out);
    man_arguments(out, op_args_of_all, OP_ARGS_OF_ALL);
    man_types(out);
    man_errors(out);
    (void)fputs(man_commands_end, out);
    return print_result(out);
}
