/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The file system that forgets: the model is described in simfs.h.
 *
 *   names     now      [name -> file]      what list and open see
 *             durable  [name -> file]      what is left if nothing unsynced is kept
 *   file      now, disk: bytes; size, disk_size. Files only grow.
 *   journal   what lies between now and disk, oldest first:
 *               WRITE   file, offset, images of the sectors as they were just behind the write
 *               SIZE    file, new size
 *               LINK, MOVE, UNLINK   name(s), file
 *
 * A sync applies records of the journal and takes them out. A crash applies to a copy those that
 * its seed chooses. Applying one needs no other: a MOVE whose LINK was lost still gives the file
 * its new name, sectors beyond the size are there when the size comes.
 *
 * Invariant: all records applied to `disk` and `durable` give `now`, but for what a failed sync has
 * forgotten.
 */
#include "tests/lib/simfs.h"

#include "common/rng.h"

#include <errno.h>
#include <libdeflate.h>
#include <stdlib.h>
#include <string.h>

struct node {
    uint8_t *now, *disk; /* `capacity` bytes each: whole sectors, zeros behind what was written */
    uint64_t size, disk_size, capacity;
};

struct name {
    char text[FILE_NAME_MAX + 1];
    unsigned node;
};

struct names {
    struct name *rows;
    unsigned n;
};

enum record_kind { RECORD_WRITE, RECORD_SIZE, RECORD_LINK, RECORD_MOVE, RECORD_UNLINK };

struct record {
    enum record_kind kind;
    unsigned node;
    bool committed;        /* in the journal of an ordered file system */
    uint64_t offset, size; /* WRITE: what was written; SIZE: size */
    uint8_t *sectors;      /* WRITE: from that of `offset` to that of the last byte */
    char from[FILE_NAME_MAX + 1], to[FILE_NAME_MAX + 1];
};

struct handle {
    bool open, writable;
    unsigned node;
};

struct simfs {
    struct dir dir; /* first: a struct dir is this */
    struct node *nodes;
    unsigned n_nodes;
    struct names now, durable;
    struct record *journal;
    unsigned n_journal;
    struct handle *handles;
    unsigned n_handles;
    uint64_t calls, fail_at; /* fail_at: number of the call, 0: none */
    int fail_error;
    bool fail_sticky, lie_data, lie_names;
    struct rng rng; /* how much of a failed call was done */
    simfs_watch_fn watch;
    void *watch_context;
};

static const struct file_ops simfs_ops;

static void *grow(void *rows, size_t count, size_t size)
{
    rows = realloc(rows, count * size);
    REQUIRE(rows != NULL);
    return rows;
}

static uint8_t *copy_bytes(const uint8_t *data, uint64_t size)
{
    uint8_t *copy = grow(NULL, (size_t)size + 1, 1);
    if (size > 0)
        memcpy(copy, data, (size_t)size);
    return copy;
}

/* ---- names ---- */

static struct name *names_find(const struct names *names, const char *text)
{
    for (unsigned i = 0; i < names->n; i++)
        if (strcmp(names->rows[i].text, text) == 0)
            return &names->rows[i];
    return NULL;
}

static void names_set(struct names *names, const char *text, unsigned node)
{
    struct name *name = names_find(names, text);
    if (name == NULL) {
        names->rows = grow(names->rows, names->n + 1, sizeof *names->rows);
        name = &names->rows[names->n++];
        (void)snprintf(name->text, sizeof name->text, "%s", text);
    }
    name->node = node;
}

/* Taken away only from the file that has it. */
static void names_remove(struct names *names, const char *text, unsigned node)
{
    struct name *name = names_find(names, text);
    if (name == NULL || name->node != node)
        return;
    names->n--;
    memmove(name, name + 1, (size_t)(&names->rows[names->n] - name) * sizeof *name);
}

static struct names names_copy(const struct names *names)
{
    struct names copy = {grow(NULL, names->n + 1, sizeof *copy.rows), names->n};
    if (names->n > 0)
        memcpy(copy.rows, names->rows, names->n * sizeof *copy.rows);
    return copy;
}

/* ---- files ---- */

static unsigned node_add(struct simfs *fs)
{
    fs->nodes = grow(fs->nodes, fs->n_nodes + 1, sizeof *fs->nodes);
    fs->nodes[fs->n_nodes] = (struct node){0};
    return fs->n_nodes++;
}

/* Have memory for so many bytes, in whole sectors. */
static void node_reserve(struct node *node, uint64_t size)
{
    uint64_t capacity = (size + SIMFS_SECTOR - 1) / SIMFS_SECTOR * SIMFS_SECTOR;
    if (capacity <= node->capacity)
        return;
    size_t more = (size_t)(capacity - node->capacity);
    node->now = grow(node->now, (size_t)capacity, 1);
    node->disk = grow(node->disk, (size_t)capacity, 1);
    memset(node->now + node->capacity, 0, more);
    memset(node->disk + node->capacity, 0, more);
    node->capacity = capacity;
}

static struct node node_copy(const struct node *node)
{
    struct node copy = *node;
    copy.now = copy_bytes(node->now, node->capacity);
    copy.disk = copy_bytes(node->disk, node->capacity);
    return copy;
}

/* What a power cut left is what there is. */
static void node_settle(struct node *node)
{
    node->size = node->disk_size;
    node_reserve(node, node->size);
    if (node->capacity > node->size)
        memset(node->disk + node->size, 0, (size_t)(node->capacity - node->size));
    if (node->capacity > 0)
        memcpy(node->now, node->disk, (size_t)node->capacity);
}

/* ---- records ---- */

static struct record *journal_add(struct simfs *fs, enum record_kind kind, unsigned node)
{
    fs->journal = grow(fs->journal, fs->n_journal + 1, sizeof *fs->journal);
    struct record *record = &fs->journal[fs->n_journal++];
    *record = (struct record){.kind = kind, .node = node};
    return record;
}

static uint64_t first_sector(const struct record *record)
{
    return record->offset / SIMFS_SECTOR;
}

static uint64_t end_sector(const struct record *record)
{
    return (record->offset + record->size + SIMFS_SECTOR - 1) / SIMFS_SECTOR;
}

static void apply_sector(struct node *node, const struct record *record, uint64_t sector)
{
    const uint8_t *image = record->sectors + (sector - first_sector(record)) * SIMFS_SECTOR;
    memcpy(node->disk + sector * SIMFS_SECTOR, image, SIMFS_SECTOR);
}

/* What was written of a sector reads as zeros, or as anything. */
static void spoil_sector(struct node *node, const struct record *record, uint64_t sector,
                         struct rng *rng)
{
    uint64_t from = sector * SIMFS_SECTOR, to = from + SIMFS_SECTOR;
    bool zeros = rng_below(rng, 2) == 0;
    from = from < record->offset ? record->offset : from;
    to = to > record->offset + record->size ? record->offset + record->size : to;
    for (; from < to; from++)
        node->disk[from] = zeros ? 0 : (uint8_t)rng_next(rng);
}

static void apply_write(struct node *node, const struct record *record)
{
    for (uint64_t i = first_sector(record); i < end_sector(record); i++)
        apply_sector(node, record, i);
}

static void apply_name(struct names *names, const struct record *record)
{
    if (record->kind == RECORD_MOVE || record->kind == RECORD_UNLINK)
        names_remove(names, record->from, record->node);
    if (record->kind == RECORD_MOVE || record->kind == RECORD_LINK)
        names_set(names, record->to, record->node);
}

static void apply_size(struct node *node, const struct record *record)
{
    if (record->size > node->disk_size)
        node->disk_size = record->size;
}

static bool is_name(const struct record *record)
{
    return record->kind != RECORD_WRITE && record->kind != RECORD_SIZE;
}

/* ---- syncs ---- */

static void journal_commit(struct simfs *fs)
{
    for (unsigned i = 0; i < fs->n_journal; i++)
        fs->journal[i].committed = true;
}

/* A new or grown file needs the journal, and everything before it is committed with it. */
static bool needs_commit(const struct simfs *fs, unsigned node)
{
    for (unsigned i = 0; i < fs->n_journal; i++) {
        const struct record *record = &fs->journal[i];
        if (record->node == node && !record->committed &&
            (record->kind == RECORD_SIZE || record->kind == RECORD_LINK))
            return true;
    }
    return false;
}

/* Take out the records of this kind: names, or those of one file. */
static void journal_forget(struct simfs *fs, bool names, unsigned node)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < fs->n_journal; i++) {
        struct record *record = &fs->journal[i];
        if (names ? is_name(record) : !is_name(record) && record->node == node)
            free(record->sectors);
        else
            fs->journal[kept++] = *record;
    }
    fs->n_journal = kept;
}

static void sync_file(struct simfs *fs, unsigned node)
{
    if (needs_commit(fs, node))
        journal_commit(fs);
    for (unsigned i = 0; i < fs->n_journal; i++) {
        const struct record *record = &fs->journal[i];
        if (record->node == node && record->kind == RECORD_WRITE)
            apply_write(&fs->nodes[node], record);
        else if (record->node == node && record->kind == RECORD_SIZE)
            apply_size(&fs->nodes[node], record);
    }
    journal_forget(fs, false, node);
}

/* Some of it has reached the disk, the rest never will. */
static void sync_badly(struct simfs *fs, unsigned node)
{
    for (unsigned i = 0; i < fs->n_journal; i++) {
        const struct record *record = &fs->journal[i];
        if (record->node != node || record->kind != RECORD_WRITE)
            continue;
        for (uint64_t j = first_sector(record); j < end_sector(record); j++)
            if (rng_below(&fs->rng, 2) == 0)
                apply_sector(&fs->nodes[node], record, j);
    }
    journal_forget(fs, false, node);
}

static void sync_names(struct simfs *fs)
{
    journal_commit(fs);
    for (unsigned i = 0; i < fs->n_journal; i++)
        if (is_name(&fs->journal[i]))
            apply_name(&fs->durable, &fs->journal[i]);
    journal_forget(fs, true, 0);
}

/* ---- crashes ---- */

/* How likely records are to be kept, in 256ths: one of several shapes, so that the rare ones, but
 * one lost and but one kept, come often. */
struct shape {
    enum { SHAPE_RANDOM, SHAPE_PREFIX, SHAPE_ALL_BUT_ONE, SHAPE_ONLY_ONE } kind;
    unsigned keep; /* RANDOM */
    unsigned turn; /* record at which the others change */
    unsigned tear; /* sectors that were written, but not right */
};

static struct shape shape_choose(struct rng *rng, unsigned n)
{
    static const unsigned keeps[] = {0, 32, 128, 224, 256}, tears[] = {0, 0, 16, 64};
    return (struct shape){.kind = (unsigned)rng_below(rng, 4),
                          .keep = keeps[rng_below(rng, LENGTH_OF(keeps))],
                          .turn = (unsigned)rng_below(rng, n + 1),
                          .tear = tears[rng_below(rng, LENGTH_OF(tears))]};
}

static unsigned shape_keep(const struct shape *shape, unsigned i)
{
    switch (shape->kind) {
    case SHAPE_RANDOM:
        return shape->keep;
    case SHAPE_PREFIX:
        return i < shape->turn ? 256 : i == shape->turn ? 128 : 0;
    case SHAPE_ALL_BUT_ONE:
        return i == shape->turn ? 0 : 256;
    case SHAPE_ONLY_ONE:
        return i == shape->turn ? 256 : 0;
    }
    return 0;
}

static bool chance(struct rng *rng, unsigned of_256)
{
    return rng_below(rng, 256) < of_256;
}

static void cut_write(struct simfs *fs, const struct record *record, const struct shape *shape,
                      unsigned i, struct rng *rng)
{
    struct node *node = &fs->nodes[record->node];
    for (uint64_t j = first_sector(record); j < end_sector(record); j++) {
        if (chance(rng, shape->tear))
            spoil_sector(node, record, j, rng);
        else if (chance(rng, shape_keep(shape, i)))
            apply_sector(node, record, j);
    }
}

static void cut_meta(struct simfs *fs, const struct record *record)
{
    if (record->kind == RECORD_SIZE)
        apply_size(&fs->nodes[record->node], record);
    else
        apply_name(&fs->durable, record);
}

/* What has reached the disk of the records of `fs`, and nothing is unsynced any more. */
static void power_cut(struct simfs *fs, bool ordered, struct rng *rng)
{
    struct shape data = shape_choose(rng, fs->n_journal);
    struct shape meta = shape_choose(rng, fs->n_journal);
    if (ordered)
        meta = (struct shape){.kind = SHAPE_PREFIX, .turn = meta.turn};
    for (unsigned i = 0; i < fs->n_journal; i++) {
        struct record *record = &fs->journal[i];
        if (record->kind == RECORD_WRITE)
            cut_write(fs, record, &data, i, rng);
        else if ((ordered && (record->committed || i < meta.turn)) ||
                 (!ordered && chance(rng, shape_keep(&meta, i))))
            cut_meta(fs, record);
        free(record->sectors);
    }
    fs->n_journal = 0;
    for (unsigned i = 0; i < fs->n_nodes; i++)
        node_settle(&fs->nodes[i]);
    free(fs->now.rows);
    fs->now = names_copy(&fs->durable);
}

static struct simfs *copy_all(const struct simfs *from)
{
    struct simfs *fs = simfs_create();
    free(fs->now.rows);
    free(fs->durable.rows);
    fs->now = names_copy(&from->now);
    fs->durable = names_copy(&from->durable);
    fs->nodes = grow(NULL, from->n_nodes + 1, sizeof *fs->nodes);
    fs->n_nodes = from->n_nodes;
    for (unsigned i = 0; i < fs->n_nodes; i++)
        fs->nodes[i] = node_copy(&from->nodes[i]);
    fs->journal = grow(NULL, from->n_journal + 1, sizeof *fs->journal);
    fs->n_journal = from->n_journal;
    for (unsigned i = 0; i < fs->n_journal; i++) {
        struct record *record = &fs->journal[i];
        *record = from->journal[i];
        if (record->sectors != NULL)
            record->sectors = copy_bytes(
                record->sectors, (end_sector(record) - first_sector(record)) * SIMFS_SECTOR);
    }
    return fs;
}

struct simfs *simfs_crash(const struct simfs *fs, enum simfs_crash how, uint64_t seed)
{
    struct rng rng = {seed};
    struct simfs *after = copy_all(fs);
    after->rng.state = rng_next(&rng);
    if (how != SIMFS_KILL)
        power_cut(after, how == SIMFS_POWER_ORDERED, &rng);
    return after;
}

/* ---- the table ---- */

static struct simfs *simfs_of(struct dir *dir)
{
    return (struct simfs *)(void *)dir;
}

/* Count the call; returns the error it is to fail with. */
static int enter(struct simfs *fs, enum simfs_call call, const char *name)
{
    bool quiet = call == SIMFS_READ || call == SIMFS_SIZE || call == SIMFS_LIST;
    if (fs->watch != NULL && !quiet)
        fs->watch(fs->watch_context, call, name);
    fs->calls++;
    bool fails = fs->fail_at != 0 &&
                 (fs->calls == fs->fail_at || (fs->fail_sticky && fs->calls > fs->fail_at));
    return fails ? -fs->fail_error : 0;
}

static struct node *node_of(struct simfs *fs, int file)
{
    REQUIRE(file >= 0 && (unsigned)file < fs->n_handles && fs->handles[file].open);
    return &fs->nodes[fs->handles[file].node];
}

static const char *name_of(const struct simfs *fs, int file)
{
    for (unsigned i = 0; i < fs->now.n; i++)
        if (fs->now.rows[i].node == fs->handles[file].node)
            return fs->now.rows[i].text;
    return "(removed)";
}

static int handle_add(struct simfs *fs, unsigned node, bool writable)
{
    unsigned i = 0;
    while (i < fs->n_handles && fs->handles[i].open)
        i++;
    if (i == fs->n_handles)
        fs->handles = grow(fs->handles, ++fs->n_handles, sizeof *fs->handles);
    fs->handles[i] = (struct handle){.open = true, .writable = writable, .node = node};
    return (int)i;
}

static unsigned link_new(struct simfs *fs, const char *name)
{
    unsigned node = node_add(fs);
    struct record *record = journal_add(fs, RECORD_LINK, node);
    (void)snprintf(record->to, sizeof record->to, "%s", name);
    names_set(&fs->now, name, node);
    return node;
}

static int simfs_open(struct dir *dir, const char *name, int flags)
{
    struct simfs *fs = simfs_of(dir);
    int err = enter(fs, SIMFS_OPEN, name);
    const struct name *found = names_find(&fs->now, name);
    if (err != 0)
        return err;
    if (strlen(name) > FILE_NAME_MAX)
        return -ENAMETOOLONG;
    if (flags & FILE_CREATE)
        return found != NULL ? -EEXIST : handle_add(fs, link_new(fs, name), flags & FILE_WRITE);
    return found == NULL ? -ENOENT : handle_add(fs, found->node, flags & FILE_WRITE);
}

static void simfs_close(struct dir *dir, int file)
{
    struct simfs *fs = simfs_of(dir);
    (void)node_of(fs, file);
    fs->handles[file].open = false;
}

static void set_size(struct simfs *fs, unsigned node, uint64_t size)
{
    if (size <= fs->nodes[node].size)
        return;
    fs->nodes[node].size = size;
    journal_add(fs, RECORD_SIZE, node)->size = size;
}

static void write_part(struct simfs *fs, unsigned i, uint64_t offset, const void *data, size_t size)
{
    struct node *node = &fs->nodes[i];
    if (size == 0)
        return;
    node_reserve(node, offset + size);
    memcpy(node->now + offset, data, size);
    set_size(fs, i, offset + size);
    struct record *record = journal_add(fs, RECORD_WRITE, i);
    record->offset = offset;
    record->size = size;
    record->sectors = copy_bytes(node->now + first_sector(record) * SIMFS_SECTOR,
                                 (end_sector(record) - first_sector(record)) * SIMFS_SECTOR);
}

static int simfs_write(struct dir *dir, int file, uint64_t offset, const struct iovec *parts, int n)
{
    struct simfs *fs = simfs_of(dir);
    size_t all = 0;
    int err = enter(fs, SIMFS_WRITE, name_of(fs, file));
    (void)node_of(fs, file);
    if (!fs->handles[file].writable)
        return -EBADF;
    for (int i = 0; i < n; i++)
        all += parts[i].iov_len;
    size_t left = err == 0 ? all : (size_t)rng_below(&fs->rng, all + 1);
    for (int i = 0; i < n && left > 0; i++) {
        size_t size = parts[i].iov_len < left ? parts[i].iov_len : left;
        write_part(fs, fs->handles[file].node, offset, parts[i].iov_base, size);
        offset += size;
        left -= size;
    }
    return err;
}

static ssize_t simfs_read(struct dir *dir, int file, uint64_t offset, void *to, size_t size)
{
    struct simfs *fs = simfs_of(dir);
    int err = enter(fs, SIMFS_READ, NULL);
    const struct node *node = node_of(fs, file);
    if (err != 0)
        return err;
    if (offset >= node->size)
        return 0;
    size = size < node->size - offset ? size : (size_t)(node->size - offset);
    memcpy(to, node->now + offset, size);
    return (ssize_t)size;
}

static int64_t simfs_size(struct dir *dir, int file)
{
    struct simfs *fs = simfs_of(dir);
    int err = enter(fs, SIMFS_SIZE, NULL);
    return err != 0 ? err : (int64_t)node_of(fs, file)->size;
}

static int simfs_allocate(struct dir *dir, int file, uint64_t size)
{
    struct simfs *fs = simfs_of(dir);
    int err = enter(fs, SIMFS_ALLOCATE, name_of(fs, file));
    struct node *node = node_of(fs, file);
    if (err != 0)
        return err;
    node_reserve(node, size);
    set_size(fs, fs->handles[file].node, size);
    return 0;
}

static int simfs_sync(struct dir *dir, int file)
{
    struct simfs *fs = simfs_of(dir);
    int err = enter(fs, SIMFS_SYNC, name_of(fs, file));
    (void)node_of(fs, file);
    if (err != 0)
        sync_badly(fs, fs->handles[file].node);
    else if (!fs->lie_data)
        sync_file(fs, fs->handles[file].node);
    return err;
}

static int simfs_rename(struct dir *dir, const char *from, const char *to)
{
    struct simfs *fs = simfs_of(dir);
    int err = enter(fs, SIMFS_RENAME, to);
    const struct name *found = names_find(&fs->now, from);
    if (err != 0)
        return err;
    if (found == NULL)
        return -ENOENT;
    struct record *record = journal_add(fs, RECORD_MOVE, found->node);
    (void)snprintf(record->from, sizeof record->from, "%s", from);
    (void)snprintf(record->to, sizeof record->to, "%s", to);
    apply_name(&fs->now, record);
    return 0;
}

static int simfs_remove(struct dir *dir, const char *name)
{
    struct simfs *fs = simfs_of(dir);
    int err = enter(fs, SIMFS_REMOVE, name);
    const struct name *found = names_find(&fs->now, name);
    if (err != 0)
        return err;
    if (found == NULL)
        return -ENOENT;
    struct record *record = journal_add(fs, RECORD_UNLINK, found->node);
    (void)snprintf(record->from, sizeof record->from, "%s", name);
    apply_name(&fs->now, record);
    return 0;
}

static int simfs_sync_names(struct dir *dir)
{
    struct simfs *fs = simfs_of(dir);
    int err = enter(fs, SIMFS_SYNC_NAMES, NULL);
    if (err == 0 && !fs->lie_names)
        sync_names(fs);
    return err;
}

static int simfs_list(struct dir *dir, file_visit_fn visit, void *context)
{
    struct simfs *fs = simfs_of(dir);
    int err = enter(fs, SIMFS_LIST, NULL);
    for (unsigned i = 0; i < fs->now.n && err == 0; i++)
        if (!visit(context, fs->now.rows[i].text))
            break;
    return err;
}

/* What is seen from now on is what the disk has; but what waits for a sync stays. */
static void simfs_forget(struct dir *dir, int file)
{
    struct simfs *fs = simfs_of(dir);
    struct node *node = node_of(fs, file);
    for (unsigned i = 0; i < fs->n_journal; i++)
        if (!is_name(&fs->journal[i]) && fs->journal[i].node == fs->handles[file].node)
            return;
    if (node->capacity > 0)
        memcpy(node->now, node->disk, (size_t)node->capacity);
}

static const struct file_ops simfs_ops = {
    .forget = simfs_forget,
    .open = simfs_open,
    .close = simfs_close,
    .write = simfs_write,
    .read = simfs_read,
    .size = simfs_size,
    .allocate = simfs_allocate,
    .sync = simfs_sync,
    .rename = simfs_rename,
    .remove = simfs_remove,
    .sync_names = simfs_sync_names,
    .list = simfs_list,
};

/* ---- for the test ---- */

struct simfs *simfs_create(void)
{
    struct simfs *fs = calloc(1, sizeof *fs);
    REQUIRE(fs != NULL);
    fs->dir = (struct dir){&simfs_ops, "simfs"};
    return fs;
}

void simfs_destroy(struct simfs *fs)
{
    for (unsigned i = 0; i < fs->n_nodes; i++) {
        free(fs->nodes[i].now);
        free(fs->nodes[i].disk);
    }
    for (unsigned i = 0; i < fs->n_journal; i++)
        free(fs->journal[i].sectors);
    free(fs->nodes);
    free(fs->journal);
    free(fs->handles);
    free(fs->now.rows);
    free(fs->durable.rows);
    free(fs);
}

struct dir *simfs_dir(struct simfs *fs)
{
    return &fs->dir;
}

uint64_t simfs_calls(const struct simfs *fs)
{
    return fs->calls;
}

unsigned simfs_open_files(const struct simfs *fs)
{
    unsigned n = 0;
    for (unsigned i = 0; i < fs->n_handles; i++)
        n += fs->handles[i].open;
    return n;
}

void simfs_fail(struct simfs *fs, uint64_t n, int error, bool sticky)
{
    fs->fail_at = n == 0 ? 0 : fs->calls + n;
    fs->fail_error = error;
    fs->fail_sticky = sticky;
}

void simfs_watch(struct simfs *fs, simfs_watch_fn watch, void *context)
{
    fs->watch = watch;
    fs->watch_context = context;
}

void simfs_lie(struct simfs *fs, bool data, bool names)
{
    fs->lie_data = data;
    fs->lie_names = names;
}

struct bytes simfs_content(const struct simfs *fs, const char *name)
{
    static const uint8_t nothing[1];
    const struct name *found = names_find(&fs->now, name);
    if (found == NULL)
        return BYTES_NONE;
    const struct node *node = &fs->nodes[found->node];
    return (struct bytes){node->now == NULL ? nothing : node->now, (size_t)node->size};
}

/* A new file takes the name at once; what was unsynced of it, names too, goes to the old one. */
void simfs_put(struct simfs *fs, const char *name, struct bytes content)
{
    unsigned i = node_add(fs);
    struct node *node = &fs->nodes[i];
    node_reserve(node, content.size);
    if (content.size > 0)
        memcpy(node->disk, content.data, content.size);
    node->disk_size = content.size;
    node_settle(node);
    sync_names(fs);
    names_set(&fs->now, name, i);
    names_set(&fs->durable, name, i);
}

void simfs_drop(struct simfs *fs, const char *name)
{
    const struct name *found = names_find(&fs->now, name);
    sync_names(fs);
    if (found == NULL)
        return;
    unsigned node = found->node;
    names_remove(&fs->now, name, node);
    names_remove(&fs->durable, name, node);
}

const char *simfs_name(const struct simfs *fs, unsigned n)
{
    return n < fs->now.n ? fs->now.rows[n].text : NULL;
}

uint64_t simfs_digest(const struct simfs *fs)
{
    uint32_t crc = 0, adler = 1;
    for (unsigned i = 0; i < fs->now.n; i++) {
        const struct node *node = &fs->nodes[fs->now.rows[i].node];
        const char *text = fs->now.rows[i].text;
        crc = libdeflate_crc32(crc, text, strlen(text) + 1);
        if (node->size > 0) {
            crc = libdeflate_crc32(crc, node->now, (size_t)node->size);
            adler = libdeflate_adler32(adler, node->now, (size_t)node->size);
        }
    }
    return (uint64_t)crc << 32 | adler;
}
