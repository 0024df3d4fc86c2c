# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# How often a function of the kernel is called; a case that needs it sources it.

CALLS=/sys/kernel/tracing

# count_calls FUNCTION: from now on
count_calls() {
	local event=$CALLS/events/kprobes/blki_$1

	at_exit bash -c "echo 0 >$event/enable
		echo -:blki_$1 >>$CALLS/kprobe_events"
	echo "p:blki_$1 $1" >>$CALLS/kprobe_events
	echo 1 >"$event/enable"
}

calls() {
	awk -v n="blki_$1" '$1 == n { print $2 }' $CALLS/kprobe_profile
}
