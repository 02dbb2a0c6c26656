/*
 * What differs between kernels or needs a system call that the C library has no good name for.
 * The only folder with #if. Every function returns 0 or a value, or -1 with *err_r a sentence
 * (static or in thread-local storage until the next call) where the prototype has one.
 */
#ifndef OS_OS_H
#define OS_OS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* CRC-32C (Castagnoli, RFC 3720 B.4); crc = 0 to start, the last result to go on. Uses the
 * processor's instruction where there is one. */
uint32_t os_crc32c(uint32_t crc, const void *p, size_t n);
/* The same without it, for comparison in tests. */
uint32_t os_crc32c_portable(uint32_t crc, const void *p, size_t n);

/* Kernel randomness; never fails. */
void os_random(void *p, size_t n);

/* --- files --- */

/* Whole-buffer writes and reads at an offset; 0, or -1 with errno set (ENOSPC matters to callers).
 * A read that meets the end of the file early is an error with errno 0. */
int os_pwrite_all(int fd, const void *p, size_t n, uint64_t at);
int os_pread_all(int fd, void *p, size_t n, uint64_t at);
int os_write_all(int fd, const void *p, size_t n);

/* Allocates blocks without changing the size visible to readers beyond `to`; best effort where the
 * file system can't. -1 with errno (ENOSPC). */
int os_preallocate(int fd, uint64_t from, uint64_t to);
/* Gives the blocks of a range back; best effort. */
int os_punch_hole(int fd, uint64_t from, uint64_t len);

/* Syncs a folder, so that the names in it are durable. */
int os_sync_dir(int dirfd);
/* Writes path atomically and durably in folder dirfd: temporary, fdatasync, rename, sync folder. */
int os_replace_file(int dirfd, const char *name, const void *p, size_t n, mode_t mode);
/* The whole file as a NUL-terminated block for free(); -1 with errno; more than max is EFBIG. */
int os_read_file(int dirfd, const char *name, size_t max, char **p_r, size_t *n_r);
/* Free bytes of the file system that holds fd, for unprivileged users. */
int os_free_space(int fd, uint64_t *bytes_r);

/* Open-file-description locks on the whole file (they die with the last descriptor of the open).
 * try: 1 got it, 0 somebody else has it, -1 error. */
int os_lock_try(int fd, bool exclusive);
int os_lock_wait(
	int fd, bool exclusive); /* blocks: only in helper threads or single-purpose programs */
void os_unlock(int fd);
/* Whether another open holds a lock; takes none, and fd may be read-only. An error counts as no. */
bool os_lock_is_held(int fd);

/* An unlinked memory file with these bytes, sealed against every change; -1 with errno. */
int os_sealed_memfd(const char *name, const void *p, size_t n);
/* The same of n octets of a file; one that ends before them is an error with errno 0. */
int os_sealed_memfd_of(const char *name, int from, uint64_t at, uint64_t n);

/* --- sockets --- */

/* One message with up to 4 descriptors over a Unix socket; the bytes may be fewer than n, the
 * descriptors go with the first byte. fds_r takes up to 4; received ones are close-on-exec. */
#define OS_FDS_MAX 4
ssize_t os_send_fds(int sock, const void *p, size_t n, const int *fds, size_t nfds);
ssize_t os_recv_fds(int sock, void *p, size_t n, int *fds_r, size_t *nfds_r);
/* Who is at the other end of a Unix socket. */
int os_peer(int sock, uid_t *uid_r, gid_t *gid_r, pid_t *pid_r);
int os_set_nonblock(int fd, bool on);

/* --- processes --- */

/* Becomes uid:gid with no supplementary groups and no way back; chroot_to may be NULL. Exits the
 * process by log_fatal when any step fails. Must be called before threads. */
void os_drop_privilege(uid_t uid, gid_t gid, const char *chroot_to);
/* No new privileges, no core dumps of secrets unless debug. */
void os_no_new_privs(void);
/* Gives freed memory back to the system: after start-up, before a process waits for days. */
void os_trim_memory(void);
/* A mapped file that is about to be read through: its pages at once instead of one fault for every few. p: of mmap. Best
 * effort. */
void os_map_ahead(void *p, size_t n);
/* Whether this is a build with the address sanitizer, whose run-time needs system calls a sandbox
 * refuses. */
bool os_is_sanitized(void);
/* READY=1, STATUS=..., RELOADING=1 to systemd when NOTIFY_SOCKET is set; otherwise nothing. */
void os_sd_notify(const char *state);
/* This boot and this start of the machine: changes when a power cut may have happened. */
void os_boot_id(char id_r[37]);

/* --- fibers' context switch --- */

struct os_context {
	void *sp;
};
/* Prepares a context that will run fn(arg) on the stack [base, base+size) when first switched to;
 * fn must never return. */
void os_context_make(
	struct os_context *ctx, void *base, size_t size, void (*fn)(void *), void *arg);
void os_context_switch(struct os_context *from, const struct os_context *to);
/* Bytes of a fiber's stack, a multiple of the page size: more in sanitizer builds, which put red
 * zones around arrays. */
#define OS_STACK_SIZE (256 * 1024)
size_t os_stack_size(void);
/* Address sanitizer's notion of stacks; nothing in ordinary builds. fake may be NULL when leaving
 * for good. */
void os_asan_switch_start(void **fake, const void *base, size_t size);
void os_asan_switch_finish(void *fake, const void **old_base_r, size_t *old_size_r);

#endif
