/* Tree checkpoints and blob heads whose sums are right and whose content is not. */
#include "os/os.h"
#include "store/checkpoint.h"
#include "store/pack.h"
#include "store/tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_tree(struct span body)
{
	char header[CHECKPOINT_HEADER];
	struct str file = STR_INIT;
	struct tree t;
	struct checkpoint c = {.at = 640,
		.sequence = 9,
		.count = body.n,
		.body_crc = os_crc32c(0, body.p, body.n)};
	checkpoint_put(&c, TREE_MAGIC, "a1", header);
	str_add(&file, header, sizeof(header));
	str_add_span(&file, body);
	tree_init(&t, true);
	tree_parse(&t, "a1", str_span(&file));
	for (size_t i = 0; i < t.boxes.n; i++)
		if (tree_find_name(&t, t.boxes.v[i]->name) != t.boxes.v[i])
			__builtin_trap();
	tree_fini(&t);
	str_fini(&file);
}

static void try_blob(struct span bytes)
{
	struct blob_head head;
	struct span reader;
	uint32_t salt;
	pack_parse_header(bytes, 1, &salt);
	blob_head_size(bytes);
	struct str copy = STR_INIT;
	str_add_span(&copy, bytes);
	/* A head of this size with a right sum. */
	if (copy.len >= BLOB_HEAD_MIN && copy.len % 8 == 0) {
		set_u32(&copy, 4, (uint32_t)copy.len);
		set_u32(&copy, copy.len - 8, os_crc32c(0, copy.s, copy.len - 8));
	}
	struct reader in = reader_of(bytes);
	salt = get_u32(&in);
	get_u32(&in);
	if (blob_head_parse(str_span(&copy), salt, get_u64(&in), &head) == 0)
		while (blob_reader_next(&head.readers, &reader) > 0)
			;
	str_fini(&copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span all = span_make(data, size);
	struct checkpoint c;
	if (!size)
		return 0;
	checkpoint_parse(&c, TREE_MAGIC, "a1", all);
	try_tree(all);
	try_blob(all);
	return 0;
}
