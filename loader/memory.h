/* SPDX-License-Identifier: GPL-2.0 */
#ifndef BIOCTL_MEMORY_H
#define BIOCTL_MEMORY_H

#include <stdbool.h>

/* -1: it failed, see errno */
int stay_in_memory(void);
void write_nothing_out(bool on);
void take_ballast(void);
void drop_ballast(void);

#endif /* BIOCTL_MEMORY_H */
