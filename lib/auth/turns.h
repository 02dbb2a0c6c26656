/*
 * No address takes all of directoryd: hashing a password is slow, and whoever has many connections could have as many hashed
 * at once, with all others behind them. So the questions about logins from one address (net_key) wait for each other, in each
 * process, in the order in which they came; those of other addresses pass them by.
 */
#ifndef AUTH_TURNS_H
#define AUTH_TURNS_H

#include <stdint.h>

#define AUTH_ADDRESS_MAX 4 /* questions of an address at once; more are asked when these are answered */

struct auth_turn;

/* 0, or -1 at the deadline with *turn_r NULL. */
int auth_turn_take(const char *remote_ip, int64_t deadline, struct auth_turn **turn_r);
void auth_turn_give(struct auth_turn **turn);

#endif
