/* The watchdog that outlives the boot loader: what hangs after the jump is reset, and counts as a try. */
#ifndef TILL_WATCHDOG_H_
#define TILL_WATCHDOG_H_

#include <linux/types.h>

/* 0 when it runs with about this time-out; a negative errno when the board has none. */
int till_watchdog_start(u32 timeout_ms);

#endif /* TILL_WATCHDOG_H_ */
