#include "service/control.h"

#include <stddef.h>

#define MSG(name_, number, struct_, fields_)                                                       \
	const struct ipc_msg control_##name_##_msg = {                                             \
		.type = IPC_RANGE_MASTER + (number),                                               \
		.name = "control " #name_,                                                         \
		.size = sizeof(struct struct_),                                                    \
		.fields = fields_,                                                                 \
	}

static const struct ipc_field no_fields[] = {IPC_ROWS_END};

#define IPC_STRUCT control_ready
static const struct ipc_field ready_fields[] = {IPC_ROW(BOOL, single), IPC_ROWS_END};
#undef IPC_STRUCT

#define IPC_STRUCT control_segment
static const struct ipc_field segment_fields[] = {IPC_ROW(U64, id), IPC_ROWS_END};
#undef IPC_STRUCT

#define IPC_STRUCT control_connect
static const struct ipc_field connect_fields[] = {IPC_ROW(STR, name), IPC_ROWS_END};
#undef IPC_STRUCT

#define IPC_STRUCT control_connect_by
static const struct ipc_field connect_by_fields[] = {
	IPC_ROW(STR, name), IPC_ROW(U32, key), IPC_ROWS_END};
#undef IPC_STRUCT

#define IPC_STRUCT control_take
static const struct ipc_field take_fields[] = {
	IPC_ROW(U32, id), IPC_ROW(U32, uid), IPC_ROW(U32, gid), IPC_ROWS_END};
#undef IPC_STRUCT

#define IPC_STRUCT control_taken
static const struct ipc_field taken_fields[] = {IPC_ROW(U32, id), IPC_ROWS_END};
#undef IPC_STRUCT

#define IPC_STRUCT control_stop
static const struct ipc_field stop_fields[] = {IPC_ROW(U32, ms), IPC_ROWS_END};
#undef IPC_STRUCT

#define IPC_STRUCT control_stop_call
static const struct ipc_field stop_call_fields[] = {IPC_ROW(BOOL, now), IPC_ROWS_END};
#undef IPC_STRUCT

#define IPC_STRUCT control_status_counter
static const struct ipc_field counter_fields[] = {IPC_ROW(U64, value), IPC_ROWS_END};
#undef IPC_STRUCT
static const struct ipc_msg counter_msg = {
	.name = "counter",
	.size = sizeof(struct control_status_counter),
	.fields = counter_fields,
};

#define IPC_STRUCT control_status_worker
static const struct ipc_field worker_fields[] = {
	IPC_ROW(U32, slot),
	IPC_ROW(U32, pid),
	IPC_ROW(U32, generation),
	IPC_ROW(STR, state),
	IPC_ROW(U32, connections),
	IPC_ROW(U64, served),
	IPC_ROW(U64, uptime_ms),
	IPC_ROW(U32, start_ms),
	IPC_ROW_LIST(counters, &counter_msg),
	IPC_ROWS_END,
};
#undef IPC_STRUCT
static const struct ipc_msg worker_msg = {
	.name = "worker",
	.size = sizeof(struct control_status_worker),
	.fields = worker_fields,
};

#define IPC_STRUCT control_status_service
static const struct ipc_field service_fields[] = {
	IPC_ROW(STR, name),
	IPC_ROW(STR, program),
	IPC_ROW(BOOL, ready),
	IPC_ROW(U32, min_workers),
	IPC_ROW(U32, max_workers),
	IPC_ROW(U32, connection_limit),
	IPC_ROW(U64, restarts),
	IPC_ROW(U64, refused),
	IPC_ROW(STR, trouble),
	IPC_ROW_LIST(workers, &worker_msg),
	IPC_ROWS_END,
};
#undef IPC_STRUCT
static const struct ipc_msg service_msg = {
	.name = "service",
	.size = sizeof(struct control_status_service),
	.fields = service_fields,
};

#define IPC_STRUCT control_status
static const struct ipc_field status_fields[] = {
	IPC_ROW(U32, pid),
	IPC_ROW(U32, generation),
	IPC_ROW(U64, uptime_ms),
	IPC_ROW(STR, state),
	IPC_ROW(BOOL, ready),
	IPC_ROW_LIST(services, &service_msg),
	IPC_ROWS_END,
};
#undef IPC_STRUCT

MSG(ready, 1, control_ready, ready_fields);
MSG(progress, 2, control_none, no_fields);
MSG(full, 3, control_none, no_fields);
MSG(segment, 4, control_none, no_fields);
MSG(segment_reply, 5, control_segment, segment_fields);
MSG(connect, 6, control_connect, connect_fields);
MSG(done, 7, control_none, no_fields);
MSG(retire, 8, control_none, no_fields);
MSG(stop, 9, control_stop, stop_fields);
MSG(reload, 10, control_none, no_fields);
MSG(status, 11, control_none, no_fields);
MSG(status_reply, 12, control_status, status_fields);
MSG(reload_call, 13, control_none, no_fields);
MSG(stop_call, 14, control_stop_call, stop_call_fields);
MSG(log, 15, control_none, no_fields);
MSG(connect_by, 16, control_connect_by, connect_by_fields);
MSG(take, 17, control_take, take_fields);
MSG(taken, 18, control_taken, taken_fields);
MSG(temp, 19, control_none, no_fields);
