/*
 * What a crowd of connections leaves behind goes back to the system once it has gone: of a thousand TLS connections
 * the C library would keep 18 MB for the next thousand. Giving back takes some milliseconds, so it waits for a
 * moment of quiet, and for at least half of the connections to have ended since the last time.
 */
#include "io/fiber.h"
#include "os/os.h"
#include "service/engine.h"

#define CROWD_MIN 64	/* at once; what fewer leave is worth no work */
#define QUIET_MS  3000

static bool has_gone(const struct engine *e)
{
	return e->peak >= CROWD_MIN && e->connections <= e->peak / 2;
}

static void on_quiet(void *arg)
{
	struct engine *e = arg;

	loop_timer_remove(&e->quiet_timer);
	if (!has_gone(e))
		return;
	e->peak = e->connections;
	fiber_trim();
	os_trim_memory();
}

void crowd_grew(struct engine *e)
{
	if (e->connections > e->peak)
		e->peak = e->connections;
}

void crowd_shrank(struct engine *e)
{
	if (!e->quiet_timer && has_gone(e))
		e->quiet_timer = loop_timer_add(QUIET_MS, on_quiet, e);
}
