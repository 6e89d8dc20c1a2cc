/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Prints the operations as Markdown: docs/commands.md.
 *
 * How: a section for each group (what stands before the dot), a part for each operation.
 * Invariants: the order is that of proto/ops.def.
 * Threads: none of its own; the table is constant.
 * Failures: see print.c.
 */
#include "server/print.h"

#include "proto/op.h"
#include "server/print_impl.h"

#include <stdbool.h>
#include <string.h>

size_t print_group_size(const struct op *op)
{
    return strcspn(op->name, ".");
}

bool print_is_first_of_group(const struct op *op)
{
    return op == op_table || print_group_size(op) != print_group_size(op - 1) ||
           strncmp(op->name, op[-1].name, print_group_size(op)) != 0;
}

void print_signature(FILE *out, const struct op *op)
{
    const char *separator = "";
    (void)fputc('(', out);
    for (unsigned i = 0; i < op->n_args; i++) {
        enum arg_place place = op->args[i].place;
        if (i == op->n_positional)
            (void)fprintf(out, "%s{%s", separator, op->args[i].name);
        else if (place == ARG_POSITIONAL)
            (void)fprintf(out, "%s[%s]", separator, op->args[i].name);
        else
            (void)fprintf(out, "%s%s", separator, op->args[i].name);
        separator = ", ";
    }
    (void)fputs(op->n_args > op->n_positional ? "})" : ")", out);
}

const char *print_place(enum arg_place place)
{
    static const char *const places[] = {
        [ARG_REQUIRED] = "required", [ARG_POSITIONAL] = "optional", [ARG_NAMED] = "by name"};
    return places[place];
}

static void print_arguments(FILE *out, const struct arg_desc *args, unsigned count)
{
    if (count == 0)
        return;
    (void)fputs("| argument | type | | meaning |\n|---|---|---|---|\n", out);
    for (unsigned i = 0; i < count; i++) {
        (void)fprintf(out, "| `%s` | %s | %s | ", args[i].name, arg_type_table[args[i].type].word,
                      print_place(args[i].place));
        print_cell(out, args[i].text);
        (void)fputs(" |\n", out);
    }
    (void)fputc('\n', out);
}

static void print_aliases(FILE *out, const struct op *op)
{
    enum op_id id;
    const char *name;
    for (unsigned i = 0; (name = op_alias(i, &id)) != NULL; i++) {
        if (id == op->id)
            (void)fprintf(out, "* Also called `%s`.\n", name);
    }
}

/* OP_KEYED says nothing to a caller. */
void print_properties(const struct op *op, char out_text[static PRINT_PROPERTIES_SIZE])
{
    static const struct {
        enum op_flag flag;
        const char *text;
    } texts[] = {
        {OP_READ, "Reads."},
        {OP_WRITE, "Writes."},
        {OP_BATCH, "Allowed in an atomic batch."},
        {OP_LOGIN, "Answered before login."},
        {OP_ADMIN, "About the server, not the data."},
        {OP_SLOW, "May take long."},
    };
    size_t at = 0;
    out_text[0] = '\0';
    for (size_t i = 0; i < LENGTH_OF(texts); i++) {
        if ((op->flags & texts[i].flag) != 0 && at < PRINT_PROPERTIES_SIZE)
            at += (size_t)snprintf(out_text + at, PRINT_PROPERTIES_SIZE - at, "%s%s",
                                   at > 0 ? " " : "", texts[i].text);
    }
}

static void print_reply(FILE *out, const struct op *op)
{
    char properties[PRINT_PROPERTIES_SIZE];
    print_properties(op, properties);
    (void)fputs("* Reply: ", out);
    print_cell(out, op->reply);
    if (properties[0] != '\0')
        (void)fprintf(out, "\n* %s", properties);
    (void)fputc('\n', out);
    print_aliases(out, op);
}

/* The heading of a group, with the page that tells more than its operations do. */
static void print_group(FILE *out, const struct op *op)
{
    static const struct {
        const char *group, *page;
    } pages[] = {{"ckpt", "checkpoints.md"}, {"vec", "vectors.md"}, {"watch", "watch.md"}};
    struct bytes group = {(const uint8_t *)op->name, print_group_size(op)};
    (void)fprintf(out, "## %.*s\n\n", (int)group.size, op->name);
    for (size_t i = 0; i < LENGTH_OF(pages); i++)
        if (bytes_equal(group, bytes_of(pages[i].group)))
            (void)fprintf(out,
                          "How they work together, and what happens when something is missing, "
                          "comes twice or is\ntoo large: [%s](%s).\n\n",
                          pages[i].page, pages[i].page);
}

static void print_op(FILE *out, const struct op *op)
{
    if (print_is_first_of_group(op))
        print_group(out, op);
    (void)fprintf(out, "### %s\n\n`%s", op->name, op->name);
    print_signature(out, op);
    (void)fputs("`\n\n", out);
    print_wrapped(out, "", op->summary);
    (void)fputc('\n', out);
    print_arguments(out, op->args, op->n_args);
    print_reply(out, op);
    (void)fputc('\n', out);
}

int print_commands(FILE *out)
{
    print_page(out, "Commands", "proto/ops.def");
    (void)fputs(
        "A request is `[0, msgid, \"method\", params]`. Params are an array of the positional\n"
        "arguments, whose last element may be a map of arguments by name; or one map with all of\n"
        "them by name. In a signature `[...]` is optional, and `{...}` are arguments that can be\n"
        "given by name only. An unknown argument is an error. The types stand at the end.\n"
        "\n",
        out);
    for (unsigned i = 0; i < OP_COUNT; i++)
        print_op(out, &op_table[i]);
    (void)fputs("## Options of all operations\n\n", out);
    print_arguments(out, op_args_of_all, OP_ARGS_OF_ALL);
    (void)fputs("## Types\n\n| type | meaning |\n|---|---|\n", out);
    for (unsigned i = 0; i < ARG_TYPE_COUNT; i++) {
        (void)fprintf(out, "| %s | ", arg_type_table[i].word);
        print_cell(out, arg_type_table[i].text);
        (void)fputs(" |\n", out);
    }
    (void)fputs("\n`str` and `bin` are accepted for each other everywhere.\n", out);
    return print_result(out);
}
