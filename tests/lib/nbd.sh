# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# A file or device served over the loopback; a case that needs it sources it.

NBD_PORT=10809
NBD=/dev/nbd0

# nbd_export FILE: what is served under the name disk
nbd_export() {
	cat >"$TMP/nbd.conf" <<-EOF
		[generic]
		listenaddr = 127.0.0.1
		port = $NBD_PORT
		[disk]
		exportname = $1
		flush = true
		fua = true
	EOF
	at_exit bash -c "nbd-client -d $NBD >/dev/null 2>&1 || true"
}

# Without connecting: the server would serve that, and end.
nbd_listens() {
	grep -q ": 0100007F:$(printf %04X $NBD_PORT) 00000000:0000 0A" \
		/proc/net/tcp
}

# One process, which serves one connection.
nbd_start_server() {
	nbd-server -C "$TMP/nbd.conf" -d -p "$TMP/nbd.pid" \
		>"$TMP/nbd.log" 2>&1 &
	NBD_SERVER=$!
	must wait_for 20 nbd_listens
}

# It ends by itself when it is told that the connection is given up.
nbd_end_server() {
	nbd-client -d $NBD >/dev/null 2>&1 || true
	kill -KILL "$NBD_SERVER" 2>/dev/null || true
	wait "$NBD_SERVER" 2>/dev/null || true
}

nbd_is_connected() {
	[ "$(blockdev --getsize64 $NBD)" -gt 0 ]
}

# nbd_connect SECONDS: after which the kernel gives up a request
nbd_connect() {
	nbd-client -N disk -t "$1" 127.0.0.1 $NBD_PORT $NBD
	wait_for 10 nbd_is_connected
}
