/* Any bytes as a row of the queue database, and as a payload of each frame between qmgr, agents,
 * submitters, operators. */
#include <stdint.h>
#include <stdlib.h>

#include "base/array.h"
#include "queue/agent_messages.h"
#include "queue/messages.h"
#include "queue/queue.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct ipc_msg *const frames[] = {&agent_hello_msg, &agent_segment_msg,
	&agent_work_msg, &agent_result_msg, &agent_noted_msg, &agent_submit_request_msg,
	&agent_submit_reply_msg, &queue_announce_msg, &queue_list_request_msg,
	&queue_list_reply_msg, &queue_action_request_msg, &queue_action_reply_msg,
	&queue_show_request_msg, &queue_show_reply_msg};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pool *pool = pool_new("fuzz");
	struct span bytes = span_make(data, size);
	struct str again = STR_IN(pool);
	struct queue_row row;
	const char *err;
	if (queue_row_parse(bytes, pool, &row) == 0) {
		queue_row_put(&again, &row);
		if (queue_row_parse(str_span(&again), pool, &row) < 0)
			abort();
	}
	if (size > 1) {
		const struct ipc_msg *m = frames[data[0] % COUNT_OF(frames)];
		void *body = pool_alloc(pool, m->size);
		ipc_parse(pool, m, span_make(data + 1, size - 1), body, &err);
	}
	pool_free(&pool);
	return 0;
}
