/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The rest of libcairn: addresses, the pool (broken connections, many threads), the small packer.
 */
#include "tests/unit/client/lib/fake.h"

#include "client/lib/client.h"
#include "client/lib/target.h"

#include <poll.h>

/* ---- Addresses ----------------------------------------------------------------------------- */

struct address_row {
    const char *text, *host, *port, *path, *token, *run; /* host NULL: refused */
};

static void addresses(void **state)
{
    (void)state;
    static const struct address_row rows[] = {
        {"h", "h", "7420", "", "", ""},
        {"h:1", "h", "1", "", "", ""},
        {"[::1]:99", "::1", "99", "", "", ""},
        {"::1", "::1", "7420", "", "", ""},
        {"/a/b", "", "7420", "/a/b", "", ""},
        {"unix:b", "", "7420", "b", "", ""},
        {"cairn://h", "h", "7420", "", "", ""},
        {"cairn://t%40%2F@h:5/r%20x", "h", "5", "", "t@/", "r x"},
        {"cairn://h/r@x", "h", "7420", "", "", "r@x"},
        {"", NULL, "", "", "", ""},
        {":5", NULL, "", "", "", ""},
        {"h:", NULL, "", "", "", ""},
        {"h:65536", NULL, "", "", "", ""},
        {"[::1", NULL, "", "", "", ""},
        {"[::1]x", NULL, "", "", "", ""},
        {"unix:", NULL, "", "", "", ""},
        {"redis://h", NULL, "", "", "", ""},
        {"cairn://t%0@h", NULL, "", "", "", ""},
        {"cairn://t%00@h", NULL, "", "", "", ""},
    };
    for (size_t i = 0; i < LENGTH_OF(rows); i++) {
        struct target target;
        struct cairn_error error;
        int err = target_init(&target, rows[i].text, NULL, &error);
        assert_int_equal(err, rows[i].host == NULL ? CAIRN_BAD_ARGUMENT : 0);
        if (err != 0)
            continue;
        assert_string_equal(target.host, rows[i].host);
        assert_string_equal(target.port, rows[i].port);
        assert_string_equal(target.path, rows[i].path);
        assert_string_equal(target.token, rows[i].token);
        assert_string_equal(target.run, rows[i].run);
    }
}

/* ---- Pool ---------------------------------------------------------------------------------- */

enum { FAKE_WAIT_MS = 30000 };

static void serve_one(int fd)
{
    REPLY_OK(fd, read_request(fd), "\x01");
    int64_t msgid = read_request(fd);
    if (msgid >= 0)
        REPLY_OK(fd, msgid, "\x01");
}

static void pool_replaces(void **state)
{
    (void)state;
    struct fake fake;
    struct cairn_error error;
    fake_start(&fake, serve_one, 2);
    struct cairn_pool *pool = cairn_pool_create(fake.address, NULL, 1, &error);
    struct cairn *c = cairn_pool_borrow(pool, FAKE_WAIT_MS, &error);
    assert_non_null(c);
    assert_null(cairn_pool_borrow(pool, 20, &error));
    assert_int_equal(error.status, CAIRN_TIMEOUT);
    assert_int_equal(cairn_call(c, "x", cairn_view(NULL, 0), NULL), CAIRN_OK);
    cairn_pool_give_back(pool, c);
    assert_ptr_equal(cairn_pool_borrow(pool, FAKE_WAIT_MS, &error), c); /* the same */
    assert_int_equal(cairn_call(c, "x", cairn_view(NULL, 0), NULL), CAIRN_OK);
    struct pollfd closed = {.fd = c->link.fd, .events = POLLIN};
    assert_int_equal(poll(&closed, 1, FAKE_WAIT_MS), 1); /* the server closes */
    cairn_pool_give_back(pool, c);
    c = cairn_pool_borrow(pool, FAKE_WAIT_MS, &error);
    assert_non_null(c);
    assert_int_equal(cairn_call(c, "x", cairn_view(NULL, 0), NULL), CAIRN_OK);
    assert_int_equal(cairn_send(c, "x", cairn_view(NULL, 0), NULL), CAIRN_OK);
    cairn_pool_give_back(pool, c); /* owes a reply: closed */
    cairn_pool_destroy(pool);
    fake_stop(&fake);
}

enum { POOL_THREADS = 8, POOL_ROUNDS = 50 };

static void serve_many(int fd)
{
    for (;;) {
        int64_t msgid = read_request(fd);
        if (msgid < 0)
            return;
        REPLY_OK(fd, msgid, "\x01");
    }
}

static void *pool_user(void *data)
{
    for (int i = 0; i < POOL_ROUNDS; i++) {
        struct cairn *c = cairn_pool_borrow(data, 10000, NULL);
        if (c == NULL || cairn_call(c, "x", cairn_view(NULL, 0), NULL) != CAIRN_OK)
            return data;
        cairn_pool_give_back(data, c);
    }
    return NULL;
}

static void pool_shared(void **state)
{
    (void)state;
    struct fake fake;
    pthread_t threads[POOL_THREADS];
    fake_start(&fake, serve_many, 1);
    struct cairn_pool *pool = cairn_pool_create(fake.address, NULL, 1, NULL);
    for (int i = 0; i < POOL_THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, pool_user, pool), 0);
    for (int i = 0; i < POOL_THREADS; i++) {
        void *failed;
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    cairn_pool_destroy(pool);
    fake_stop(&fake);
}

/* ---- MessagePack --------------------------------------------------------------------------- */

static void packer(void **state)
{
    (void)state;
    struct cairn_item item;
    struct cairn_packer *p = cairn_packer_create();
    cairn_pack_array(p, 3);
    cairn_pack_str(p, cairn_text("x"));
    cairn_pack_int(p, -7);
    cairn_pack_map(p, 1);
    cairn_pack_bin(p, cairn_view("\0", 1));
    cairn_pack_real(p, 0.5);
    struct cairn_bytes rest = cairn_packer_bytes(p);
    struct cairn_bytes whole = rest;
    assert_int_equal(cairn_unpack(&rest, &item), CAIRN_OK);
    assert_true(item.kind == CAIRN_ARRAY && item.count == 3);
    assert_int_equal(cairn_unpack(&rest, &item), CAIRN_OK);
    assert_true(item.kind == CAIRN_STR && item.as.bytes.size == 1);
    assert_int_equal(cairn_unpack(&rest, &item), CAIRN_OK);
    assert_true(item.kind == CAIRN_INT && item.as.sint == -7);
    assert_int_equal(cairn_unpack_skip(&rest), CAIRN_OK);
    assert_int_equal(rest.size, 0);
    assert_int_equal(cairn_unpack(&rest, &item), CAIRN_PROTOCOL);
    assert_int_equal(cairn_unpack_skip(&whole), CAIRN_OK);
    assert_int_equal(whole.size, 0);
    cairn_packer_destroy(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses),
        cmocka_unit_test(pool_replaces),
        cmocka_unit_test(pool_shared),
        cmocka_unit_test(packer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
