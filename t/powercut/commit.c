/*
 * A database that is written to, and read after a power cut (lib/kv). Usage:
 *	commit FOLDER COUNT     so many durable commits of a large row; after each the record is told
 *	commit FOLDER           which rows are there
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/num.h"
#include "kv/kv.h"
#include "powercut/record.h"

#define ROW	 16000
#define KEYS	 40 /* that many rows; then they are written again */
#define KEY_SIZE 24

static void put(struct kv *kv, unsigned n)
{
	static char value[ROW];
	char key[KEY_SIZE];
	struct kv_batch *b = kv_batch_new(kv);
	snprintf(key, sizeof(key), "%u", n % KEYS);
	memset(value, 'a' + n % 26, sizeof(value));
	snprintf(value, sizeof(value), "%u", n);
	kv_batch_put(b, 0, span_of(key), span_make(value, sizeof(value)));
	if (kv_batch_commit(&b, true) < 0)
		log_fatal("The commit failed.");
	int len = snprintf(key, sizeof(key), "%u", n);
	powercut_mark(key, (uint32_t)len);
}

static void show(struct kv *kv)
{
	struct pool *pool = pool_new("rows");
	struct kv_row *rows;
	struct kv_range all = {.table = 0, .limit = KEYS};
	size_t n;
	if (kv_scan(kv, &all, pool, &rows, &n) < 0)
		log_fatal("The rows can't be read.");
	for (size_t i = 0; i < n; i++)
		puts(rows[i].value.p);
	pool_free(&pool);
}

int main(int argc, char **argv)
{
	static const char *const tables[] = {"rows", NULL};
	struct kv_conf conf = {.dir = argc > 1 ? argv[1] : "."};
	struct kv *kv;
	const char *err;
	uint32_t count = 0;
	conf.tables = tables;
	if (argc > 2 && !num_parse_u32(span_of(argv[2]), UINT32_MAX, &count))
		log_fatal("A number is wanted.");
	if (kv_open(&conf, &kv, &err) != 0)
		log_fatal("%s", err);
	for (unsigned n = 1; n <= count; n++)
		put(kv, n);
	if (!count)
		show(kv);
	kv_close(&kv);
	return 0;
}
