/* Start-up pieces that master and the engine have in common. */
#ifndef SERVICE_SHARED_H
#define SERVICE_SHARED_H

#include "base/pool.h"
#include "params/params.h"

/* The log as the configuration says. tag must outlive the process. */
int service_log_open(const char *tag, const struct common_conf *common, const char **err_r);

/* A word of `listen` as an address of io/net.h: unix:NAME is put below run_dir. -1 when NAME is no plain name. */
int service_listen_address(struct pool *pool, const struct common_conf *common, struct span word,
	const char **address_r, const char **err_r);

/* Gives out spool segments: files queue_dir/segments/<16 hexadecimal digits>.seg under ids that never come
 * again, not after a crash either: the counter in queue_dir/segments.next is durable and always ahead of what was given. */
struct segment_source;
int segment_source_open(const char *queue_dir, struct segment_source **source_r, const char **err_r);
void segment_source_close(struct segment_source **source);
/* The descriptor of an empty file that belongs to uid:gid and whose name is durable; -1 or SERVICE_NO_SPACE with *err_r. */
int segment_source_new(struct segment_source *source, uid_t uid, gid_t gid, uint64_t *id_r,
	const char **err_r);
/* An empty file beside them that has no name and never gets one. The same errors. */
int segment_source_temp(struct segment_source *source, const char **err_r);

#endif
