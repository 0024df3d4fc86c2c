# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# An NVMe namespace with two paths, over the loop transport; a case that needs
# it sources it.

NVMET=/sys/kernel/config/nvmet

undo_nvme() {
	local ctrl port

	for ctrl in /sys/class/nvme/nvme*; do
		[ ! -e "$ctrl" ] || echo 1 >"$ctrl/delete_controller"
	done
	for port in "$NVMET"/ports/*; do
		[ -e "$port" ] || continue
		rm -f "$port/subsystems/blki"
		rmdir "$port"
	done
	echo 0 >"$NVMET/subsystems/blki/namespaces/1/enable"
	rmdir "$NVMET/subsystems/blki/namespaces/1" "$NVMET/subsystems/blki"
}

# A subsystem with one namespace, DEVICE, behind two ports.
nvme_export() {
	local subsystem=$NVMET/subsystems/blki port

	mkdir "$subsystem"
	at_exit bash -c ". \"\$BLKI_ROOT/tests/lib/nvme.sh\"; undo_nvme"
	echo 1 >"$subsystem/attr_allow_any_host"
	mkdir "$subsystem/namespaces/1"
	echo "$1" >"$subsystem/namespaces/1/device_path"
	echo 1 >"$subsystem/namespaces/1/enable"
	for port in 1 2; do
		mkdir "$NVMET/ports/$port"
		echo loop >"$NVMET/ports/$port/addr_trtype"
		echo "port$port" >"$NVMET/ports/$port/addr_traddr"
		ln -s "$subsystem" "$NVMET/ports/$port/subsystems/blki"
	done
}

# nvme_connect PORT: one controller, which is one path
nvme_connect() {
	local fd

	exec {fd}<>/dev/nvme-fabrics
	echo "transport=loop,traddr=port$1,nqn=blki,hostnqn=blki-host,hostid=5f3e1c2a-0000-4000-8000-000000000001" \
		>&"$fd"
	exec {fd}>&-
}

nvme_paths() {
	find /sys/block -maxdepth 1 -name 'nvme*c*n1' | sort
}

nvme_has_paths() {
	[ "$(nvme_paths | wc -l)" -eq "$1" ]
}

nvme_head() {
	find /sys/block -maxdepth 1 -name 'nvme*n1' ! -name '*c*' -printf '/dev/%f\n'
}

# Reads that a path has completed.
nvme_path_reads() {
	block_stat "$1" 1
}

# The path that the head uses now, found by reading.
nvme_current_path() {
	local path before=()

	for path in $(nvme_paths); do
		before+=("$(nvme_path_reads "$path")")
	done
	dd if="$1" of=/dev/null bs=4k count=1 skip=1 iflag=direct status=none
	for path in $(nvme_paths); do
		if [ "$(nvme_path_reads "$path")" -gt "${before[0]}" ]; then
			echo "$path"
			return
		fi
		before=("${before[@]:1}")
	done
	return 1
}

# nvme_controller PATH: nvme0c1n1 is that of controller nvme1.
nvme_controller() {
	local name=${1##*c}

	echo "nvme${name%n*}"
}

# nvme_port_state PATH STATE: what the target makes of requests that come there
nvme_port_state() {
	local address

	address=$(cat "/sys/class/nvme/$(nvme_controller "$1")/address")
	[[ $address =~ port([0-9]+) ]]
	echo "$2" >"$NVMET/ports/${BASH_REMATCH[1]}/ana_groups/1/ana_state"
}

# nvme_lose_path PATH: the target sends back all that comes that way, and does
# not say so before.
nvme_lose_path() {
	"$TEST_BIN/nvme_events" "/dev/$(nvme_controller "$1")" off
	nvme_port_state "$1" inaccessible
}

nvme_path_is() {
	[ "$(cat "$1/ana_state")" = "$2" ]
}

nvme_restore_path() {
	"$TEST_BIN/nvme_events" "/dev/$(nvme_controller "$1")" on
	nvme_port_state "$1" optimized
	wait_for 20 nvme_path_is "$1" optimized
}
