/* Files are written whole, replaced atomically, preallocated and punched; sealed memory files stay
 * as they are. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "test.h"

static int folder_make(char path[32])
{
	memcpy(path, "/tmp/thurn-os-XXXXXX", 21);
	assert_non_null(mkdtemp(path));
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static void replace_is_whole_and_leaves_nothing_behind(void **state)
{
	(void)state;
	char path[32], *text;
	size_t n;
	struct stat st;
	int dir = folder_make(path);
	mode_t mask = umask(077);
	assert_int_equal(os_replace_file(dir, "f", "one", 3, 0644), 0);
	assert_int_equal(os_replace_file(dir, "f", "second", 6, 0640), 0);
	umask(mask);
	assert_int_equal(fstatat(dir, "f", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_int_equal(os_read_file(dir, "f", 6, &text, &n), 0);
	assert_int_equal(n, 6);
	assert_string_equal(text, "second");
	free(text);
	assert_int_equal(os_read_file(dir, "f", 5, &text, &n), -1);
	assert_int_equal(errno, EFBIG);
	assert_int_equal(os_read_file(dir, "none", 5, &text, &n), -1);
	assert_int_equal(errno, ENOENT);
	/* A folder of that name can't be replaced: the temporary goes. */
	assert_int_equal(mkdirat(dir, "d", 0700), 0);
	assert_int_equal(os_replace_file(dir, "d", "x", 1, 0600), -1);
	assert_int_equal(unlinkat(dir, "d", AT_REMOVEDIR), 0);
	assert_int_equal(unlinkat(dir, "f", 0), 0);
	close(dir);
	assert_int_equal(rmdir(path), 0);
}

static void reads_tell_a_short_file_from_an_error(void **state)
{
	(void)state;
	char path[32], bytes[8];
	int dir = folder_make(path);
	int fd = openat(dir, "f", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(os_pwrite_all(fd, "abcd", 4, 2), 0);
	assert_int_equal(os_pread_all(fd, bytes, 6, 0), 0);
	assert_memory_equal(bytes, "\0\0abcd", 6);
	assert_int_equal(os_pread_all(fd, bytes, 7, 0), -1);
	assert_int_equal(errno, 0);
	assert_int_equal(os_pread_all(-1, bytes, 7, 0), -1);
	assert_int_equal(errno, EBADF);
	close(fd);
	assert_int_equal(unlinkat(dir, "f", 0), 0);
	close(dir);
	assert_int_equal(rmdir(path), 0);
}

static void holes_read_as_zeros_and_give_blocks_back(void **state)
{
	(void)state;
	char path[32], zeros[4096] = {0}, bytes[4096];
	struct stat before, after;
	uint64_t space;
	int dir = folder_make(path);
	int fd = openat(dir, "f", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(os_preallocate(fd, 0, 1 << 20), 0);
	fstat(fd, &before);
	assert_int_equal(before.st_size, 1 << 20);
	memset(bytes, 'x', sizeof(bytes));
	assert_int_equal(os_pwrite_all(fd, bytes, sizeof(bytes), 8192), 0);
	assert_int_equal(os_preallocate(fd, 0, 1 << 20), 0); /* keeps what is there */
	assert_int_equal(os_pread_all(fd, bytes, sizeof(bytes), 8192), 0);
	assert_int_equal(bytes[0], 'x');
	assert_int_equal(os_punch_hole(fd, 0, 512 << 10), 0);
	fstat(fd, &after);
	assert_int_equal(after.st_size, before.st_size);
	assert_true(after.st_blocks < before.st_blocks);
	assert_int_equal(os_pread_all(fd, bytes, sizeof(bytes), 8192), 0);
	assert_memory_equal(bytes, zeros, sizeof(bytes));
	assert_int_equal(os_free_space(fd, &space), 0);
	assert_true(space > 0);
	close(fd);
	assert_int_equal(unlinkat(dir, "f", 0), 0);
	close(dir);
	assert_int_equal(rmdir(path), 0);
}

static void sealed_memfds_can_not_change(void **state)
{
	(void)state;
	char bytes[16];
	int fd = os_sealed_memfd("message", "hello", 5);
	assert_true(fd >= 0);
	assert_int_equal(read(fd, bytes, sizeof(bytes)), 5);
	assert_memory_equal(bytes, "hello", 5);
	assert_int_equal(pwrite(fd, "x", 1, 0), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(ftruncate(fd, 0), -1);
	assert_int_equal(ftruncate(fd, 100), -1);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
	assert_ptr_equal(mmap(NULL, 5, PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
	close(fd);
}

static void a_part_of_a_file_is_sealed_whole_or_not_at_all(void **state)
{
	(void)state;
	char bytes[16];
	int from = memfd_create("file", MFD_CLOEXEC);
	assert_int_equal(os_pwrite_all(from, "0123456789", 10, 0), 0);
	int fd = os_sealed_memfd_of("message", from, 3, 4);
	assert_true(fd >= 0);
	assert_int_equal(pread(fd, bytes, sizeof(bytes), 0), 4);
	assert_memory_equal(bytes, "3456", 4);
	assert_int_equal(pwrite(fd, "x", 1, 0), -1);
	close(fd);
	assert_int_equal(os_sealed_memfd_of("message", from, 3, 8), -1);
	assert_int_equal(errno, 0);
	fd = os_sealed_memfd_of("message", from, 10, 0);
	assert_true(fd >= 0);
	assert_int_equal(pread(fd, bytes, sizeof(bytes), 0), 0);
	close(fd);
	close(from);
}

static void boot_ids_are_stable(void **state)
{
	(void)state;
	char a[37], b[37];
	os_boot_id(a);
	os_boot_id(b);
	assert_string_equal(a, b);
	assert_int_equal(strlen(a), 36);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(replace_is_whole_and_leaves_nothing_behind),
		cmocka_unit_test(reads_tell_a_short_file_from_an_error),
		cmocka_unit_test(holes_read_as_zeros_and_give_blocks_back),
		cmocka_unit_test(sealed_memfds_can_not_change),
		cmocka_unit_test(a_part_of_a_file_is_sealed_whole_or_not_at_all),
		cmocka_unit_test(boot_ids_are_stable),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
