# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Layouts for the fuzzer of tests/model; a case that needs one sources it. The
# devices are numbered from 0 in the order they were added.

LAYOUT=()

# model_device N: its path
model_device() {
	echo "${LAYOUT[$1]%%[@=]*}"
}

# model_null_blk [KEY=VALUE...]
model_null_blk() {
	LAYOUT+=("$(new_null_blk size=4 "$@")")
}

# model_partitions N SECTORS...: of device N
model_partitions() {
	local n=$1 part lines=()

	shift
	lines=("${@/#/size=}")
	while read -r part; do
		LAYOUT+=("$part@$n")
	done < <(new_partitions "$(model_device "$n")" "${lines[@]}")
}

# model_linear LENGTH:N:OFFSET...: one device, a segment for each
model_linear() {
	local segment table='' at=0 length n offset IFS

	for segment; do
		IFS=: read -r length n offset <<<"$segment"
		table+="$at $length linear $(model_device "$n") $offset"$'\n'
		at=$((at + length))
	done
	IFS=+
	LAYOUT+=("$(new_dm "model$(next_number model)" "${table%$'\n'}")=$*")
}

# model_run OPTION...: the fuzzer on the layout; MODEL_OPTIONS is for one who
# looks for something (tests/run --env MODEL_OPTIONS=...)
model_run() {
	local more=()

	read -ra more <<<"${MODEL_OPTIONS:-}"
	note "model $* ${LAYOUT[*]}"
	run_bin model -w "$(scaled 60)" "${more[@]}" "$@" "${LAYOUT[@]}"
}

one_of() {
	local words=("$@")

	echo "${words[RANDOM % $#]}"
}

# Some kind of disk; of brd and loop there are not many.
model_random_disk() {
	case $((RANDOM % 8)) in
	0)
		if [ "$(cat "$TMP/.next-brd" 2>/dev/null || echo 0)" -lt 2 ]; then
			LAYOUT+=("$(new_brd)")
			return
		fi
		;;
	1)
		if [ "$(cat "$TMP/.next-loop" 2>/dev/null || echo 0)" -lt 6 ]; then
			LAYOUT+=("$(new_loop 8)")
			return
		fi
		;;
	esac
	model_null_blk size=8 "cache_size=$((RANDOM % 2 * 4))" \
		"fua=$((RANDOM % 2))" "discard=$((RANDOM % 2))" \
		"irqmode=$((RANDOM % 3))" completion_nsec=200000 \
		"max_sectors=$(one_of 8 32 128 2560)" \
		"blocksize=$(one_of 512 512 512 512 512 4096)"
}

# model_random_layout SEED
model_random_layout() {
	local n i part='' disk

	RANDOM=$1
	LAYOUT=()
	# Partitions and large blocks do not go together in here.
	model_null_blk size=8 cache_size=4 "max_sectors=$(one_of 32 128 2560)"
	for ((i = 1 + RANDOM % 2; i; i--)); do
		model_random_disk
	done
	n=${#LAYOUT[@]}
	if ((RANDOM % 2)); then
		model_partitions 0 1024 1024
		part=$n
	fi
	for ((i = RANDOM % 3; i; i--)); do
		# The disk of a partition that is taken cannot be.
		disk=$((part ? 1 + RANDOM % (n - 1) : RANDOM % n))
		model_linear "1024:$disk:$((RANDOM % 3 * 512))" \
			"$((512 + RANDOM % 2 * 512)):${part:-0}:0"
	done
}
