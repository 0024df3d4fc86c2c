// SPDX-License-Identifier: GPL-2.0
/* blk_interposer: the tracepoints, one for each verdict that is not PASS. */
#include <linux/blkdev.h>
#include <linux/blk_interposer.h>

#define CREATE_TRACE_POINTS
#include <trace/events/blk_interposer.h>
