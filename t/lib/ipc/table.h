/* A message with every type of field, for tests and fuzzing. */
#ifndef T_IPC_TABLE_H
#define T_IPC_TABLE_H

#include <stddef.h>

#include "ipc/ipc.h"

struct leaf {
	const char *word;
	uint32_t weight;
};

struct branch {
	bool green;
	struct ipc_list leaves;
};

struct tree {
	uint32_t height;
	uint64_t age;
	bool alive;
	const char *name;
	struct span sap;
	struct ipc_list branches;
};

#define IPC_STRUCT leaf
static const struct ipc_field leaf_fields[] = {
	IPC_ROW(STR, word),
	IPC_ROW(U32, weight),
	IPC_ROWS_END,
};
#undef IPC_STRUCT
static const struct ipc_msg leaf_msg = {
	.type = 0x7f02, .name = "leaf", .size = sizeof(struct leaf), .fields = leaf_fields};

#define IPC_STRUCT branch
static const struct ipc_field branch_fields[] = {
	IPC_ROW(BOOL, green),
	IPC_ROW_LIST(leaves, &leaf_msg),
	IPC_ROWS_END,
};
#undef IPC_STRUCT
static const struct ipc_msg branch_msg = {
	.type = 0x7f01, .name = "branch", .size = sizeof(struct branch), .fields = branch_fields};

#define IPC_STRUCT tree
static const struct ipc_field tree_fields[] = {
	IPC_ROW(U32, height),
	IPC_ROW(U64, age),
	IPC_ROW(BOOL, alive),
	IPC_ROW(STR, name),
	IPC_ROW(BLOB, sap),
	IPC_ROW_LIST(branches, &branch_msg),
	IPC_ROWS_END,
};
#undef IPC_STRUCT
static const struct ipc_msg tree_msg = {
	.type = 0x7f00, .name = "tree", .size = sizeof(struct tree), .fields = tree_fields};

#endif
