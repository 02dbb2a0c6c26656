#include "queue/retry.h"

int64_t retry_pause(uint64_t attempts, int64_t first, int64_t most)
{
	int64_t pause = first;
	for (uint64_t i = 1; i < attempts && pause < most; i++)
		pause = pause > most / 2 ? most : pause * 2;
	return pause < most ? pause : most;
}

int64_t retry_spread(int64_t v, uint64_t seed)
{
	seed *= 0x9e3779b97f4a7c15u; /* golden ratio: neighbouring seeds end far apart */
	int64_t range = v / 5 + 1;
	return v - v / 10 + (int64_t)((seed >> 33) % (uint64_t)range);
}

void pace_init(struct pace *p, unsigned initial, unsigned most)
{
	*p = (struct pace){.width = initial < most ? initial : most, .most = most};
}

void pace_good(struct pace *p)
{
	p->bad = 0;
	p->closures = 0;
	p->closed_until = 0;
	if (++p->good < p->width)
		return;
	p->good = 0;
	if (p->width < p->most)
		p->width++;
}

void pace_bad(struct pace *p, bool down, int64_t now, int64_t pause_first, int64_t pause_most)
{
	p->good = 0;
	p->bad++;
	if (p->width > 1)
		p->width /= 2;
	else if (p->bad >= PACE_BAD_MAX)
		down = true;
	if (!down || pace_is_closed(p, now)) /* those under way when it closed count once */
		return;
	p->bad = 0;
	p->width = 1;
	p->closed_until = now + retry_pause(++p->closures, pause_first, pause_most);
}

bool pace_is_closed(const struct pace *p, int64_t now)
{
	return p->closed_until > now;
}

bool pace_allows(const struct pace *p, unsigned busy, int64_t now)
{
	return !pace_is_closed(p, now) && busy < p->width;
}
