// SPDX-License-Identifier: GPL-2.0
#include "bioctl.h"

int main(int argc, char **argv)
{
	return bioctl_main(argc, argv);
}
