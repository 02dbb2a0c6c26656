/* A segment cut or flipped at every octet of its last KiB, and at places that matter: every record
 * that is whole is found, none that isn't is returned. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/mman.h>
#include <cmocka.h>

#include "os/os.h"
#include "queue/record.h"
#include "t/lib/queue/spool.h"

#define COUNT 12
#define BODY  300

struct image {
	struct spool_fixture f;
	char *bytes;
	size_t n;
	struct segment_place places[COUNT];
};

static int setup(void **state)
{
	struct image *im = mem_new(struct image);
	spool_init(&im->f);
	for (unsigned i = 0; i < COUNT; i++)
		assert_int_equal(spool_append(&im->f, i, BODY, &im->places[i]), SEGMENT_OK);
	im->n = segment_writer_size(im->f.writer);
	im->bytes = mem_alloc(im->n);
	int fd = spool_open(&im->f, O_RDONLY);
	assert_int_equal(os_pread_all(fd, im->bytes, im->n, 0), 0);
	close(fd);
	*state = im;
	return 0;
}

static int teardown(void **state)
{
	struct image *im = *state;
	spool_fini(&im->f);
	mem_free(&im->bytes);
	mem_free(&im);
	return 0;
}

static void read_bytes(struct image *im, const char *p, size_t n, bool closed, struct str *out)
{
	int fd = memfd_create("image", MFD_CLOEXEC);
	assert_int_equal(os_pwrite_all(fd, p, n, 0), 0);
	str_reset(out);
	spool_read(fd, im->f.id, closed, out);
	close(fd);
}

/* All but those that `bad` touches, or only those before it when the owner lives. */
static void expect_without(
	struct image *im, uint64_t from, uint64_t to, bool closed, struct str *out)
{
	str_reset(out);
	for (unsigned i = 0; i < COUNT; i++) {
		const struct segment_place *p = &im->places[i];
		uint64_t end = p->at + SEGMENT_RECORD + strlen("envelopeprefix:") + BODY;
		if (from < end && to > p->at) {
			if (!closed)
				break;
			continue;
		}
		str_printf(out, "%u ", i);
	}
	str_puts(out, "tail");
}

static void every_cut_of_the_last_kib(void **state)
{
	struct image *im = *state;
	struct str got = STR_INIT, expect = STR_INIT;
	for (size_t cut = im->n - 1024; cut <= im->n; cut++) {
		read_bytes(im, im->bytes, cut, true, &got);
		expect_without(im, cut, UINT64_MAX, true, &expect);
		assert_string_equal(str_c(&got), str_c(&expect));
	}
	str_fini(&got);
	str_fini(&expect);
}

/* A flip in the stamp or the padding changes nothing; anywhere else it costs the one record. */
static bool is_checked(const struct image *im, size_t at)
{
	for (unsigned i = 0; i < COUNT; i++) {
		uint64_t in = at - im->places[i].at;
		if (at >= im->places[i].at && in < im->places[i].length)
			return !(in >= 52 && in < SEGMENT_RECORD);
	}
	return true;
}

static void every_flip_of_the_last_kib(void **state)
{
	struct image *im = *state;
	struct str got = STR_INIT, expect = STR_INIT;
	for (size_t at = im->n - 1024; at < im->n; at++)
		for (int closed = 0; closed <= 1; closed++) {
			im->bytes[at] ^= 0x10;
			read_bytes(im, im->bytes, im->n, closed, &got);
			im->bytes[at] ^= 0x10;
			if (is_checked(im, at))
				expect_without(im, at, at + 1, closed, &expect);
			else
				expect_without(im, 0, 0, closed, &expect);
			assert_string_equal(str_c(&got), str_c(&expect));
		}
	str_fini(&got);
	str_fini(&expect);
}

static void zeroed_ranges(void **state)
{
	struct image *im = *state;
	struct str got = STR_INIT, expect = STR_INIT;
	for (unsigned first = 0; first < COUNT; first++)
		for (unsigned last = first; last < COUNT; last++) {
			uint64_t from = im->places[first].at,
				 to = im->places[last].at + im->places[last].length;
			char *copy = mem_alloc(im->n);
			memcpy(copy, im->bytes, im->n);
			memset(copy + from, 0, to - from);
			read_bytes(im, copy, im->n, true, &got);
			expect_without(im, from, to, true, &expect);
			assert_string_equal(str_c(&got), str_c(&expect));
			mem_free(&copy);
		}
	str_fini(&got);
	str_fini(&expect);
}

static void the_header_may_lose_either_copy_or_both(void **state)
{
	struct image *im = *state;
	struct str got = STR_INIT, expect = STR_INIT;
	expect_without(im, 0, 0, true, &expect);
	for (int mask = 1; mask <= 3; mask++) {
		char *copy = mem_alloc(im->n);
		memcpy(copy, im->bytes, im->n);
		for (int c = 0; c < 2; c++)
			if (mask & 1 << c)
				memset(copy + c * SEGMENT_HEADER_COPY, 'x', SEGMENT_HEADER_COPY);
		read_bytes(im, copy, im->n, true, &got);
		assert_string_equal(str_c(&got), str_c(&expect));
		mem_free(&copy);
	}
	str_fini(&got);
	str_fini(&expect);
}

/* Mail that holds the bytes of a record, even one of this very segment, makes none. */
static void a_message_can_not_forge_a_record(void **state)
{
	struct image *im = *state;
	struct str got = STR_INIT, forged = STR_INIT;
	struct segment_place place;
	struct record_head head = {.kind = RECORD_MESSAGE, .trace = "9999999999999999"};
	size_t pad = SEGMENT_ALIGN - 1; /* so that some copy is aligned */
	memset(str_reserve(&forged, pad), 'p', pad);
	forged.len = pad;
	for (int i = 0; i < 64; i++) {
		record_head_put(&forged, &head, 0, 0);
		str_add(&forged, im->bytes + im->places[3].at, im->places[3].length);
		str_putc(&forged, 'x');
	}
	struct segment_message m = {.trace = "0000000000000100",
		.envelope = span_of("e"),
		.head = str_span(&forged),
		.rest_fd = -1};
	assert_int_equal(segment_append(im->f.writer, &m, &place), SEGMENT_OK);
	assert_int_equal(spool_append(&im->f, 101, 10, &place), SEGMENT_OK);
	size_t n = segment_writer_size(im->f.writer);
	char *copy = mem_alloc(n);
	int fd = spool_open(&im->f, O_RDONLY);
	assert_int_equal(os_pread_all(fd, copy, n, 0), 0);
	close(fd);
	copy[im->n] ^= 1; /* the forger's own head is torn, so its body is searched */
	read_bytes(im, copy, n, true, &got);
	assert_string_equal(str_c(&got), "0 1 2 3 4 5 6 7 8 9 10 11 101 tail");
	mem_free(&copy);
	str_fini(&got);
	str_fini(&forged);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(every_cut_of_the_last_kib),
		T(every_flip_of_the_last_kib),
		T(zeroed_ranges),
		T(the_header_may_lose_either_copy_or_both),
		T(a_message_can_not_forge_a_record),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
