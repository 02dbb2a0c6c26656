/* Names, making, removing, renaming, subscribing; and that ids and UIDVALIDITYs never return. */
#include "store/name.h"
#include "t/lib/store/fixture.h"

static void names_are_checked(void **state)
{
	struct fixture *f = *state;
	char deep[64] = "a", many[1100];
	for (int i = 0; i < STORE_LEVELS_MAX; i++)
		strncat(deep, "/a", sizeof(deep) - strlen(deep) - 1);
	memset(many, 'm', sizeof(many) - 1);
	many[sizeof(many) - 1] = '\0';
	const struct {
		const char *name, *clean;
	} rows[] = {
		{"Work", "Work"},
		{"inbox", "INBOX"},
		{"InBox/sub", "INBOX/sub"},
		{"inboxes", "inboxes"},
		{"Entw\xc3\xbcrfe", "Entw\xc3\xbcrfe"},
		{"a/b/c", "a/b/c"},
		{"", NULL},
		{"/a", NULL},
		{"a/", NULL},
		{"a//b", NULL},
		{"a\nb", NULL},
		{"a\x7f", NULL},
		{"\xc2\x85", NULL}, /* a C1 control */
		{"\xff", NULL},
		{deep, NULL},
		{deep + 2, deep + 2},
		{many, NULL},
		{many + 99, many + 99},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const char *clean = name_clean(f->pool, rows[i].name);
		if (rows[i].clean)
			assert_string_equal(clean, rows[i].clean);
		else
			assert_null(clean);
	}
}

static struct mailbox_info find(struct fixture *f, const char *name)
{
	struct mailbox_info info;
	assert_ok(mailbox_find(f->account, f->pool, name, true, &info));
	return info;
}

static const char *list(struct fixture *f)
{
	struct mailbox_info *v;
	size_t n;
	struct str out = STR_IN(f->pool);
	assert_ok(mailbox_list(f->account, f->pool, false, &v, &n));
	for (size_t i = 0; i < n; i++)
		str_printf(&out, "%s%s%s%s%s", i ? " " : "", v[i].name,
			v[i].flags & MAILBOX_NOSELECT ? "!" : "",
			v[i].flags & MAILBOX_HAS_CHILDREN ? "+" : "", v[i].id ? "" : "?");
	return str_c(&out);
}

static void the_default_ones_are_there(void **state)
{
	struct fixture *f = *state;
	assert_string_equal(list(f), "INBOX Archive Sent Trash");
	assert_int_equal(find(f, "Sent").use, USE_SENT);
	assert_int_equal(find(f, "Sent").flags, MAILBOX_SUBSCRIBED);
	assert_int_equal(find(f, "inbox").flags, 0);
}

static void parents_are_made_and_names_taken(void **state)
{
	struct fixture *f = *state;
	uint32_t id;
	assert_ok(mailbox_create(f->account, "a/b/c", USE_JUNK, &id));
	assert_string_equal(list(f), "INBOX Archive Sent Trash a+ a/b+ a/b/c");
	assert_int_equal(find(f, "a/b/c").id, id);
	assert_int_equal(find(f, "a/b/c").use, USE_JUNK);
	assert_int_equal(mailbox_create(f->account, "a/b", USE_NONE, &id), STORE_EXISTS);
	assert_int_equal(mailbox_create(f->account, "iNbOx", USE_NONE, &id), STORE_EXISTS);
	assert_int_equal(mailbox_create(f->account, "a/", USE_NONE, &id), STORE_INVALID);
	fixture_reopen(f);
	assert_string_equal(list(f), "INBOX Archive Sent Trash a+ a/b+ a/b/c");
}

static void a_removed_parent_stays_as_a_name(void **state)
{
	struct fixture *f = *state;
	uint32_t id, old;
	assert_ok(mailbox_create(f->account, "a/b", USE_NONE, &id));
	old = find(f, "a").id;
	fixture_append(f, old, "x", 0);
	assert_ok(mailbox_delete(f->account, "a"));
	assert_string_equal(list(f), "INBOX Archive Sent Trash a!+ a/b");
	struct view *view;
	assert_int_equal(view_open(f->account, find(f, "a").id, true, &view), STORE_DENIED);
	assert_int_equal(mailbox_delete(f->account, "a"), STORE_DENIED);
	assert_int_equal(mailbox_delete(f->account, "INBOX"), STORE_DENIED);
	assert_int_equal(mailbox_delete(f->account, "nowhere"), STORE_NOT_FOUND);
	uint64_t bytes, messages;
	account_usage(f->account, &bytes, &messages);
	assert_int_equal(messages, 0);
	assert_int_equal(bytes, 0);
	/* Made again it is another mailbox. */
	assert_ok(mailbox_create(f->account, "a", USE_NONE, &id));
	assert_true(id > old);
	assert_string_equal(list(f), "INBOX Archive Sent Trash a+ a/b");
	assert_ok(mailbox_delete(f->account, "a/b"));
	assert_ok(mailbox_delete(f->account, "a"));
	assert_string_equal(list(f), "INBOX Archive Sent Trash");
}

static void ids_and_uidvalidities_never_return(void **state)
{
	struct fixture *f = *state;
	uint32_t last_id = 0, last_validity = 0, id;
	for (int i = 0; i < 20; i++) {
		assert_ok(mailbox_create(f->account, "again", USE_NONE, &id));
		assert_true(id > last_id);
		assert_true(find(f, "again").uidvalidity > last_validity);
		last_id = id;
		last_validity = find(f, "again").uidvalidity;
		assert_ok(mailbox_delete(f->account, "again"));
		if (i % 5 == 0)
			assert_int_equal(account_write_tree(f->account), 0);
		if (i % 3 == 0)
			fixture_reopen(f);
	}
}

static void children_are_renamed_too(void **state)
{
	struct fixture *f = *state;
	uint32_t id;
	assert_ok(mailbox_create(f->account, "a/b/c", USE_NONE, &id));
	assert_ok(mailbox_create(f->account, "ab", USE_NONE, NULL));
	fixture_append(f, id, "kept", 0);
	uint32_t validity = find(f, "a/b/c").uidvalidity;
	uint64_t modseq = account_modseq(f->account);
	assert_ok(mailbox_rename(f->account, "a", "new/place"));
	assert_int_equal(account_modseq(f->account), modseq + 1);
	assert_string_equal(
		list(f), "INBOX Archive Sent Trash ab new+ new/place+ new/place/b+ new/place/b/c");
	assert_int_equal(find(f, "new/place/b/c").uidvalidity, validity);
	assert_int_equal(find(f, "new/place/b/c").messages, 1);
	assert_int_equal(mailbox_rename(f->account, "a", "x"), STORE_NOT_FOUND);
	assert_int_equal(mailbox_rename(f->account, "ab", "Sent"), STORE_EXISTS);
	assert_int_equal(mailbox_rename(f->account, "new", "new/place/in"), STORE_INVALID);
	assert_int_equal(mailbox_rename(f->account, "ab", "b//"), STORE_INVALID);
	fixture_reopen(f);
	assert_int_equal(find(f, "new/place/b/c").id, id);
}

static void renaming_inbox_moves_its_messages(void **state)
{
	struct fixture *f = *state;
	uint32_t id;
	assert_ok(mailbox_create(f->account, "INBOX/sub", USE_NONE, &id));
	fixture_fill(f, f->inbox, 5, MSG_SEEN);
	fixture_fill(f, f->inbox, 2, 0);
	uint32_t uidnext = find(f, "INBOX").uidnext;
	uint64_t modseq = account_modseq(f->account);
	assert_ok(mailbox_rename(f->account, "inbox", "old/mail"));
	assert_int_equal(account_modseq(f->account), modseq + 1);
	assert_string_equal(list(f), "INBOX+ Archive INBOX/sub Sent Trash old+ old/mail");
	assert_int_equal(find(f, "INBOX").messages, 0);
	assert_int_equal(find(f, "INBOX").uidnext, uidnext);
	assert_int_equal(find(f, "old/mail").messages, 7);
	assert_int_equal(find(f, "old/mail").unseen, 2);
	assert_int_equal(mailbox_rename(f->account, "INBOX", "old"), STORE_EXISTS);
	fixture_reopen(f);
	struct view *view = fixture_view(f, find(f, "old/mail").id, true);
	assert_int_equal(view_count(view), 7);
	view_close(&view);
}

static void subscriptions_may_name_what_is_not_there(void **state)
{
	struct fixture *f = *state;
	assert_ok(mailbox_subscribe(f->account, "later", true));
	assert_ok(mailbox_subscribe(f->account, "later", true));
	assert_ok(mailbox_subscribe(f->account, "Sent", false));
	assert_string_equal(list(f), "INBOX Archive Sent Trash later?");
	assert_int_equal(find(f, "Sent").flags, 0);
	fixture_reopen(f);
	assert_string_equal(list(f), "INBOX Archive Sent Trash later?");
	assert_ok(mailbox_create(f->account, "later", USE_NONE, NULL));
	assert_int_equal(find(f, "later").flags, MAILBOX_SUBSCRIBED);
	assert_ok(mailbox_delete(f->account, "later"));
	assert_ok(mailbox_subscribe(f->account, "later", false));
	assert_string_equal(list(f), "INBOX Archive Sent Trash");
}

static void accounts_are_listed_and_checked_by_name(void **state)
{
	struct fixture *f = *state;
	struct account *a;
	const char **v;
	size_t n;
	assert_int_equal(account_open(f->store, "nobody", false, NULL, &a), STORE_NOT_FOUND);
	assert_int_equal(account_open(f->store, "../etc", true, NULL, &a), STORE_INVALID);
	assert_int_equal(account_open(f->store, "", true, NULL, &a), STORE_INVALID);
	assert_int_equal(account_open(f->store, "UPPER", true, NULL, &a), STORE_INVALID);
	assert_ok(account_open(f->store, "zz9", true, NULL, &a));
	account_close(&a);
	assert_ok(store_list_accounts(f->store, f->pool, &v, &n));
	assert_int_equal(n, 2);
	assert_string_equal(v[0], "a1");
	assert_string_equal(v[1], "zz9");
}

/* 1200 of them, of twenty levels and up to a thousand octets: more than are sorted in passing. */
static void a_list_costs_its_names_and_no_more(void **state)
{
	struct fixture *f = *state;
	struct pool *pool = pool_new("list");
	struct mailbox_info *v;
	size_t n, octets = 0, parents = 0;
	uint32_t id;
	for (int i = 0; i < 60; i++) {
		struct str name = STR_IN(f->pool);
		str_printf(&name, "%049d", i);
		for (int level = 1; level < STORE_LEVELS_MAX; level++)
			str_printf(&name, "/%049d", level);
		assert_ok(mailbox_create(f->account, str_c(&name), USE_NONE, &id));
	}
	assert_ok(mailbox_list(f->account, pool, false, &v, &n));
	assert_true(n > (size_t)60 * STORE_LEVELS_MAX);
	assert_string_equal(v[0].name, "INBOX");
	for (size_t i = 0; i < n; i++) {
		octets += strlen(v[i].name) + sizeof(*v) + 32;
		parents += (v[i].flags & MAILBOX_HAS_CHILDREN) != 0;
		if (i > 1)
			assert_true(strcmp(v[i - 1].name, v[i].name) < 0);
	}
	assert_int_equal(parents, 60 * (STORE_LEVELS_MAX - 1));
	assert_true(pool_used(pool) < octets);
	pool_free(&pool);
}

/* What the names of an account take is what each process that has it open, and each LIST, needs of memory. */
static void names_have_a_limit_together(void **state)
{
	struct fixture *f = *state;
	enum store_status status = STORE_OK;
	struct str name = STR_INIT, longer = STR_INIT;
	uint32_t id;
	size_t n = 0;
	for (; status == STORE_OK && n < 2000; n++) {
		str_reset(&name);
		str_printf(&name, "%049zu", n);
		for (int level = 1; level < STORE_LEVELS_MAX; level++)
			str_printf(&name, "/%049d", level);
		status = mailbox_create(f->account, str_c(&name), USE_NONE, &id);
	}
	assert_int_equal(status, STORE_TOO_MANY);
	assert_in_range(n, STORE_NAMES_MAX / (20 * 533) - 5, STORE_NAMES_MAX / (20 * 533) + 5);
	assert_in_range(f->account->live.name_octets, STORE_NAMES_MAX - 20 * 533, STORE_NAMES_MAX);
	for (size_t i = 0; i < 20; i++) { /* what is left goes to subscriptions */
		str_reset(&name);
		str_printf(&name, "%0900zu", i);
		status = mailbox_subscribe(f->account, str_c(&name), true);
	}
	assert_int_equal(status, STORE_TOO_MANY);
	size_t octets = f->account->live.name_octets;
	str_printf(&longer, "%0900d", 1);
	assert_int_equal(mailbox_rename(f->account, "Archive", str_c(&longer)), STORE_TOO_MANY);
	assert_int_equal(account_write_tree(f->account), 0);
	fixture_reopen(f);
	assert_int_equal(f->account->live.name_octets, octets);
	assert_int_equal(f->account->shown.name_octets, octets);
	assert_ok(mailbox_rename(f->account, "Archive", "Arch"));
	assert_ok(mailbox_subscribe(f->account, "Archive", false));
	str_reset(&name);
	str_printf(&name, "%0900d", 0);
	assert_ok(mailbox_subscribe(f->account, str_c(&name), false));
	assert_ok(mailbox_delete(f->account, "Sent"));
	assert_int_equal(f->account->live.name_octets, octets - 3 - (7 + 8) - (900 + 8) - (4 + 8));
	assert_ok(mailbox_rename(f->account, "Arch", str_c(&longer)));
	str_fini(&name);
	str_fini(&longer);
}

static int64_t find_often(struct fixture *f)
{
	int64_t from = fixture_cpu_ns();
	for (int i = 0; i < 2000; i++) {
		fixture_mailbox(f, "INBOX");
		pool_reset(f->pool);
	}
	return fixture_cpu_ns() - from;
}

/* Looking at each of them would cost a hundred times as much. */
static void finding_one_does_not_look_at_all(void **state)
{
	struct fixture *f = *state;
	struct str name = STR_INIT;
	uint32_t id;
	int64_t few = find_often(f);
	for (int i = 0; i < 10000; i++) {
		str_reset(&name);
		str_printf(&name, "parent/number %d", i);
		assert_ok(mailbox_create(f->account, str_c(&name), USE_NONE, &id));
	}
	str_fini(&name);
	assert_true(find_often(f) < 20 * few + 1000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(names_are_checked),
		FIXTURE_TEST(the_default_ones_are_there),
		FIXTURE_TEST(parents_are_made_and_names_taken),
		FIXTURE_TEST(a_removed_parent_stays_as_a_name),
		FIXTURE_TEST(ids_and_uidvalidities_never_return),
		FIXTURE_TEST(children_are_renamed_too),
		FIXTURE_TEST(renaming_inbox_moves_its_messages),
		FIXTURE_TEST(subscriptions_may_name_what_is_not_there),
		FIXTURE_TEST(a_list_costs_its_names_and_no_more),
		cmocka_unit_test_setup_teardown(
			finding_one_does_not_look_at_all, fixture_setup_fast, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			names_have_a_limit_together, fixture_setup_fast, fixture_teardown),
		FIXTURE_TEST(accounts_are_listed_and_checked_by_name),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
