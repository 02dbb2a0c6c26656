/* What segment_append acknowledged is read back: while it is written, when it is sealed, with
 * failed and large records between, with stamps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <signal.h>
#include <cmocka.h>

#include "io/fiber.h"
#include "os/os.h"
#include "t/lib/queue/spool.h"

static int setup(void **state)
{
	struct spool_fixture *f = mem_new(struct spool_fixture);
	spool_init(f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct spool_fixture *f = *state;
	spool_fini(f);
	mem_free(&f);
	return 0;
}

static void assert_reads(struct spool_fixture *f, bool closed, const char *expect)
{
	struct str got = STR_INIT;
	int fd = spool_open(f, O_RDONLY);
	spool_read(fd, f->id, closed, &got);
	close(fd);
	assert_string_equal(str_c(&got), expect);
	str_fini(&got);
}

static void a_live_segment_ends_in_a_tail_a_sealed_one_in_a_seal(void **state)
{
	struct spool_fixture *f = *state;
	struct segment_place place;
	assert_reads(f, false, "tail");
	for (unsigned i = 1; i <= 3; i++)
		assert_int_equal(spool_append(f, i, i * 1000, &place), SEGMENT_OK);
	assert_reads(f, false, "1 2 3 tail");
	assert_reads(f, true, "1 2 3 tail");
	segment_writer_close(&f->writer);
	assert_reads(f, false, "1 2 3 sealed");
}

static void bodies_of_every_size_come_back(void **state)
{
	static const size_t sizes[] = {
		0, 1, 40, 41, 49, 50, 64, 4096, 100000, 262000, 262144, 300000, 3000000};
	struct spool_fixture *f = *state;
	struct segment_place places[COUNT_OF(sizes)];
	struct str envelope = STR_INIT;
	for (unsigned i = 0; i < COUNT_OF(sizes); i++)
		assert_int_equal(spool_append(f, i, sizes[i], &places[i]), SEGMENT_OK);
	int fd = spool_open(f, O_RDONLY);
	struct segment_reader *r;
	assert_int_equal(segment_reader_open(fd, f->id, &r), 1);
	uint64_t at = SEGMENT_START, lost = 0;
	for (unsigned i = 0; i < COUNT_OF(sizes); i++) {
		struct segment_record rec;
		assert_int_equal(segment_read(r, at, false, &rec, &lost), SEGMENT_FOUND);
		assert_int_equal(rec.at, places[i].at);
		assert_int_equal(rec.next, places[i].at + places[i].length);
		assert_int_equal(rec.body_size, sizes[i] + 7);
		assert_true(span_eq(rec.envelope, span_of("envelope")));
		char *body = mem_alloc(rec.body_size);
		assert_int_equal(os_pread_all(fd, body, rec.body_size, rec.body_at), 0);
		assert_memory_equal(body, "prefix:", 7);
		for (size_t k = 7; k < rec.body_size; k++)
			assert_int_equal(body[k], 'a' + i % 26);
		mem_free(&body);
		at = rec.next;
		assert_int_equal(segment_read_at(r, places[i].at, &envelope, &rec), SEGMENT_FOUND);
		assert_true(span_eq(rec.envelope, span_of("envelope")));
		assert_int_equal(rec.body_size, sizes[i] + 7);
	}
	assert_int_equal(lost, 0);
	str_fini(&envelope);
	segment_reader_close(&r);
	close(fd);
}

static void the_rest_of_a_large_body_comes_from_a_file(void **state)
{
	struct spool_fixture *f = *state;
	struct segment_place place;
	struct str rest = STR_INIT;
	for (int i = 0; i < 200000; i++)
		str_put_u64(&rest, (uint64_t)i);
	int tmp = os_sealed_memfd("rest", rest.s, rest.len);
	struct segment_message m = {.trace = "0000000000000007",
		.envelope = span_of("e"),
		.head = span_of("head:"),
		.rest_fd = tmp,
		.rest_size = rest.len};
	assert_int_equal(segment_append(f->writer, &m, &place), SEGMENT_OK);
	close(tmp);
	int fd = spool_open(f, O_RDONLY);
	struct segment_reader *r;
	struct segment_record rec;
	uint64_t lost = 0;
	assert_int_equal(segment_reader_open(fd, f->id, &r), 1);
	assert_int_equal(segment_read(r, SEGMENT_START, true, &rec, &lost), SEGMENT_FOUND);
	char *body = mem_alloc(rec.body_size);
	assert_int_equal(rec.body_size, rest.len + 5);
	assert_int_equal(os_pread_all(fd, body, rec.body_size, rec.body_at), 0);
	assert_memory_equal(body + 5, rest.s, rest.len);
	mem_free(&body);
	str_fini(&rest);
	segment_reader_close(&r);
	close(fd);
}

/* The source ends early: the record's place becomes a skip record. */
static void a_failed_write_is_skipped(void **state)
{
	struct spool_fixture *f = *state;
	struct segment_place place;
	int tmp = os_sealed_memfd("short", "abc", 3);
	struct segment_message m = {.trace = "0000000000000002",
		.envelope = span_of("e"),
		.rest_fd = tmp,
		.rest_size = 1000000};
	assert_int_equal(spool_append(f, 1, 100, &place), SEGMENT_OK);
	assert_int_equal(segment_append(f->writer, &m, &place), SEGMENT_FAILED);
	assert_int_equal(spool_append(f, 3, 100, &place), SEGMENT_OK);
	assert_reads(f, false, "1 3 tail");
	close(tmp);
}

static void a_full_disk_changes_nothing(void **state)
{
	struct spool_fixture *f = *state;
	struct segment_place place;
	assert_int_equal(spool_append(f, 1, 100, &place), SEGMENT_OK);
	/* A limit on file sizes answers EFBIG; the writer treats it as failure, and stays alive. */
	struct rlimit old, tight = {.rlim_cur = 600000, .rlim_max = RLIM_INFINITY};
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &old);
	setrlimit(RLIMIT_FSIZE, &tight);
	uint64_t before = segment_writer_size(f->writer);
	assert_int_not_equal(spool_append(f, 2, 2000000, &place), SEGMENT_OK);
	assert_int_equal(segment_writer_size(f->writer), before);
	setrlimit(RLIMIT_FSIZE, &old);
	assert_false(segment_writer_is_dead(f->writer));
	assert_int_equal(spool_append(f, 3, 2000000, &place), SEGMENT_OK);
	assert_reads(f, false, "1 3 tail");
}

static void stamps_are_read_back(void **state)
{
	struct spool_fixture *f = *state;
	struct segment_place places[3];
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(spool_append(f, i, 5000, &places[i]), SEGMENT_OK);
	int fd = spool_open(f, O_RDWR);
	struct segment_reader *r;
	assert_int_equal(segment_reader_open(fd, f->id, &r), 1);
	assert_int_equal(segment_mark_done(r, places[1].at), 0);
	segment_reader_close(&r);
	close(fd);
	assert_reads(f, false, "0 1* 2 tail");
}

static void nothing_is_read_past_the_limit(void **state)
{
	struct spool_fixture *f = *state;
	struct segment_place places[2];
	struct segment_record rec;
	struct segment_reader *r;
	uint64_t lost = 0;
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(spool_append(f, i, 5000, &places[i]), SEGMENT_OK);
	int fd = spool_open(f, O_RDONLY);
	assert_int_equal(segment_reader_open(fd, f->id, &r), 1);
	segment_reader_limit(r, places[1].at);
	assert_int_equal(segment_read(r, SEGMENT_START, false, &rec, &lost), SEGMENT_FOUND);
	assert_int_equal(segment_read(r, rec.next, false, &rec, &lost), SEGMENT_TAIL);
	segment_reader_limit(r, places[1].at + places[1].length);
	assert_int_equal(segment_read(r, places[1].at, false, &rec, &lost), SEGMENT_FOUND);
	segment_reader_close(&r);
	close(fd);
}

struct appenders {
	struct spool_fixture *f;
	struct fiber_group group;
	unsigned next;
};

static void append_some(void *arg)
{
	struct appenders *a = arg;
	struct segment_place place;
	for (int i = 0; i < 20; i++) {
		unsigned n = ++a->next;
		assert_int_equal(spool_append(a->f, n, n * 10, &place), SEGMENT_OK);
	}
	fiber_group_leave(&a->group);
}

static void many_fibers_append_at_once(void **state)
{
	struct appenders a = {.f = *state};
	struct str expect = STR_INIT;
	for (int i = 0; i < 10; i++) {
		fiber_group_enter(&a.group);
		fiber_start("appender", append_some, &a);
	}
	assert_int_equal(fiber_group_wait(&a.group, io_deadline(60000)), 0);
	for (int i = 1; i <= 200; i++)
		str_printf(&expect, "%d ", i);
	str_puts(&expect, "tail");
	assert_reads(a.f, false, str_c(&expect));
	str_fini(&expect);
}

/* Who finds the name finds the lock taken, until the last copy of the descriptor is closed. */
static void the_lock_tells_whether_the_owner_lives(void **state)
{
	struct spool_fixture *f = *state;
	int fd = spool_open(f, O_RDWR);
	assert_int_equal(os_lock_try(fd, true), 0);
	segment_writer_close(&f->writer);
	assert_int_equal(os_lock_try(fd, true), 1);
	close(fd);
}

static void a_segment_is_locked_before_it_has_a_name(void **state)
{
	struct spool_fixture *f = *state;
	const char *err;
	segment_writer_close(&f->writer);
	int made = segment_create(f->dirfd, 0600, &f->id, &err);
	int fd = spool_open(f, O_RDWR);
	assert_int_equal(os_lock_try(fd, true), 0);
	close(made);
	assert_int_equal(os_lock_try(fd, true), 1);
	close(fd);
}

/* The reader has read ahead what were zeros then. */
static void a_tail_is_read_again(void **state)
{
	struct spool_fixture *f = *state;
	struct segment_place place;
	struct segment_record rec;
	struct segment_reader *r;
	uint64_t lost = 0, at = SEGMENT_START;
	int fd = spool_open(f, O_RDONLY);
	assert_int_equal(segment_reader_open(fd, f->id, &r), 1);
	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(segment_read(r, at, false, &rec, &lost), SEGMENT_TAIL);
		assert_int_equal(spool_append(f, i, 100, &place), SEGMENT_OK);
		assert_int_equal(segment_read(r, at, false, &rec, &lost), SEGMENT_FOUND);
		at = rec.next;
	}
	segment_reader_close(&r);
	close(fd);
}

static void leftovers_of_creation_are_removed(void **state)
{
	struct spool_fixture *f = *state;
	int fd = openat(f->dirfd, "new.0000000000000001.seg", O_CREAT | O_RDWR, 0600);
	assert_true(fd >= 0);
	close(fd);
	segment_writer_close(&f->writer);
	spool_new_segment(f);
	assert_int_equal(faccessat(f->dirfd, "new.0000000000000001.seg", F_OK, 0), -1);
}

static void names_of_segments(void **state)
{
	static const struct {
		const char *name;
		bool ok;
		uint64_t id;
	} rows[] = {{"0000000000000001.seg", true, 1}, {"00000000deadbeef.seg", true, 0xdeadbeef},
		{"00000000DEADBEEF.seg", false, 0}, {"1.seg", false, 0},
		{"00000000000000001.seg", false, 0}, {"0000000000000001.sex", false, 0},
		{"new.000000000001.seg", false, 0}, {"ffffffffffffffff.seg", true, UINT64_MAX}};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		uint64_t id;
		assert_int_equal(segment_name_parse(rows[i].name, &id), rows[i].ok);
		if (rows[i].ok)
			assert_true(id == rows[i].id);
	}
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_live_segment_ends_in_a_tail_a_sealed_one_in_a_seal),
		T(bodies_of_every_size_come_back),
		T(the_rest_of_a_large_body_comes_from_a_file),
		T(a_failed_write_is_skipped),
		T(a_full_disk_changes_nothing),
		T(stamps_are_read_back),
		T(nothing_is_read_past_the_limit),
		T(many_fibers_append_at_once),
		T(the_lock_tells_whether_the_owner_lives),
		T(a_segment_is_locked_before_it_has_a_name),
		T(a_tail_is_read_again),
		T(leftovers_of_creation_are_removed),
		cmocka_unit_test(names_of_segments),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
