# SPDX-License-Identifier: GPL-2.0
"""One virtual machine: QEMU with the host's root over 9p and fresh disks.

The directory `share` is seen by both sides (in the guest: /run/blki):
plan, env, images/, log/. Events come over a virtio-serial port into
`events`; the kernel's console goes to `console`.
"""

import fcntl
import os
import shlex
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from initrd import initrd

ROOT = Path(__file__).resolve().parents[2]
OUT = Path(os.environ.get("OUT", ROOT / "build"))
BOOT_LIMIT = 180

# loop, null_blk, ...: no disks that a case did not ask for.
CMDLINE = (
    "console=ttyS0 loglevel=7 oops=panic panic=-1 panic_on_rcu_stall=0 "
    # What memory is used for, and tasks that are blocked.
    "unknown_nmi_panic panic_print=0x82 "
    # An emulated timer is late on a busy host; the check for it panics.
    "no_timer_check "
    "log_buf_len=4M kasan_multi_shot random.trust_cpu=on "
    "loop.max_loop=8 null_blk.nr_devices=0 zram.num_devices=0 "
    "brd.rd_nr=2 brd.rd_size=65536 nbd.nbds_max=4 "
    "scsi_debug.add_host=0 scsi_debug.dev_size_mb=64 "
    "scsi_debug.per_host_store=1 raid=noautodetect"
)


def kernel_dir(flavour):
    return OUT / "kernel" / flavour


def accel():
    """kvm only where a kernel was seen to boot under it; BLKI_ACCEL decides."""
    wanted = os.environ.get("BLKI_ACCEL", "auto")
    if wanted != "auto":
        return wanted
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return "tcg"
    known = OUT / "vm" / "accel"
    boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    if known.exists():
        seen, answer = known.read_text().split()
        if seen == boot_id:
            return answer
    answer = "kvm" if _kvm_boots() else "tcg"
    known.parent.mkdir(parents=True, exist_ok=True)
    known.write_text(f"{boot_id} {answer}\n")
    return answer


def _kvm_boots():
    """Without a root the kernel panics and QEMU exits: that is a boot."""
    try:
        done = subprocess.run(
            ["qemu-system-x86_64", "-accel", "kvm", "-cpu", "host", "-m", "256",
             "-nodefaults", "-display", "none", "-no-reboot",
             "-serial", "stdio",
             "-kernel", str(kernel_dir("base") / "bzImage"),
             "-append", "console=ttyS0 panic=-1"],
            stdin=subprocess.DEVNULL, capture_output=True, timeout=10,
            check=False)
    except subprocess.TimeoutExpired:
        return False
    return b"Kernel panic" in done.stdout


class Slot:
    """A user's machines share the processors: no more run at a time.

    A test that has to wait for a processor misses its time limit.
    """

    def __enter__(self):
        base = os.environ.get("BLKI_CACHE") or Path(os.environ.get(
            "XDG_CACHE_HOME", Path.home() / ".cache")) / "blk_interposer"
        Path(base).mkdir(parents=True, exist_ok=True)
        slots = [open(Path(base) / f"vm-slot-{i}", "w", encoding="ascii")
                 for i in range(max(1, os.cpu_count()))]
        # Whoever comes first is served first.
        queue = open(Path(base) / "vm-queue", "w", encoding="ascii")
        fcntl.flock(queue, fcntl.LOCK_EX)
        while True:
            for slot in slots:
                try:
                    fcntl.flock(slot, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue
                self.held = slot
                queue.close()
                return self
            time.sleep(0.2)

    def __exit__(self, *_):
        self.held.close()


class Machine:
    """Start with start(); poll events(); always close()."""

    def __init__(self, share, flavour, *, cmdline="", mem=None, cpus=2,
                 disks=None, icount=False, interactive=False):
        self.share = Path(share)
        self.flavour = flavour
        self.cmdline = cmdline
        self.mem = mem or (2048 if flavour == "debug" else 1024)
        self.little_memory = mem is not None
        # Time is what has been executed: an instruction takes 1 ns.
        self.icount = icount
        self.cpus = 1 if icount else cpus
        self.disks = disks or [256, 256, 128]
        self.interactive = interactive
        self.process = self.monitor = None
        self._events_at = 0

    @property
    def console(self):
        return self.share / "console"

    def prepare(self, mode, plan, env):
        """plan: (case, seconds) pairs."""
        if self.share.exists():
            shutil.rmtree(self.share)
        (self.share / "images").mkdir(parents=True)
        (self.share / "log").mkdir()
        (self.share / "events").touch()
        self.console.touch()
        for i, size in enumerate(self.disks):
            with open(self._image(i), "wb") as image:
                image.truncate(size << 20)
        (self.share / "plan").write_text(
            "".join(f"{case} {limit}\n" for case, limit in plan))
        variables = {
            "BLKI_ROOT": ROOT,
            "BLKI_SHARE": "/run/blki",
            "BLKI_IMAGES": "/run/blki/images",
            "BLKI_MODE": mode,
            "OUT": OUT,
            "FLAVOUR": self.flavour,
            "BPFTOOL": OUT / "bin/bpftool",
            "POLICIES": OUT / "bpf-progs",
            "TEST_BPF": OUT / "tests/bpf",
            "TEST_BIN": OUT / "tests/progs",
            "PATH": f"{OUT}/bin:{os.defpath}:/usr/local/sbin:/usr/local/bin"
                    ":/usr/sbin:/sbin",
            "HOME": "/root",
            "LC_ALL": "C.UTF-8",
            **env,
        }
        (self.share / "initrd").write_bytes(initrd(
            ROOT / "tests/vm/init", ROOT, OUT, variables["PATH"],
            not self.little_memory))
        (self.share / "env").write_text("".join(
            f"export {k}={shlex.quote(str(v))}\n" for k, v in variables.items()))

    def _image(self, i):
        return self.share / "images" / f"vd{chr(ord('a') + i)}.img"

    def command(self, monitor):
        """monitor: file descriptor"""
        how = "tcg" if self.icount else accel()
        share = str(self.share)
        # Flushes are the guest's business only: the image need not survive
        # the host. The guest still sees a disk with a write cache.
        # q35: the interrupt tables of the default machine are computed by
        # a loop in ACPI code that takes a debug kernel minutes.
        cmd = ["setpriv", "--pdeathsig", "KILL", "qemu-system-x86_64",
               "-machine", "q35",
               "-accel", "tcg,thread=multi"
               if how == "tcg" and not self.icount else how,
               "-cpu", "max" if how == "tcg" else "host",
               "-smp", str(self.cpus), "-m", str(self.mem), "-nodefaults",
               "-display", "none", "-no-reboot",
               "-kernel", str(kernel_dir(self.flavour) / "bzImage"),
               "-initrd", f"{share}/initrd",
               "-append", f"{CMDLINE} {self.cmdline}",
               "-serial", f"file:{self.console}",
               "-chardev", f"socket,id=monitor,fd={monitor}",
               "-monitor", "chardev:monitor",
               "-fsdev", "local,id=root,path=/,security_model=none,"
                         "readonly=on,multidevs=remap",
               "-device", "virtio-9p-pci,fsdev=root,mount_tag=/dev/root",
               "-fsdev", f"local,id=blki,path={share},security_model=none,"
                         "multidevs=remap",
               "-device", "virtio-9p-pci,fsdev=blki,mount_tag=blki",
               "-device", "virtio-serial-pci",
               "-chardev", f"file,id=events,path={share}/events",
               "-device", "virtserialport,chardev=events,name=blki.result"]
        if self.icount:
            cmd += ["-icount", "shift=0,sleep=off"]
        cmd += shlex.split(os.environ.get("BLKI_QEMU", ""))
        if self.interactive:
            cmd += ["-chardev", "stdio,id=tty,signal=off",
                    "-device", "virtconsole,chardev=tty"]
        for i, _ in enumerate(self.disks):
            cmd += ["-drive", f"file={self._image(i)},if=none,id=disk{i},"
                              "format=raw,cache=unsafe,discard=unmap",
                    "-device", f"virtio-blk-pci,drive=disk{i},"
                               f"serial=blki{i}"]
        return cmd

    def start(self):
        self.monitor, theirs = socket.socketpair()
        how = {"pass_fds": [theirs.fileno()]}
        with theirs, open(self.share / "qemu", "wb") as log:
            if not self.interactive:
                how |= {"stdin": subprocess.DEVNULL, "stdout": log,
                        "stderr": log}
            self.process = subprocess.Popen(self.command(theirs.fileno()), **how)
        self.started = time.monotonic()

    def alive(self):
        return self.process.poll() is None

    def crashed(self):
        """The emulator's fault, for all we know.

        Died by a signal that nobody here has sent; a guest cannot exit so. Or
        a processor ran into a breakpoint of a static key after it had been
        taken away, that is, an old translation: the kernel waits until no
        processor can see it any more (text_poke_bp_batch()).
        """
        return self.process.poll() in (-signal.SIGSEGV, -signal.SIGABRT) or \
            "Oops: int3: 0000" in self.console.read_text(errors="replace")

    def interrupt(self):
        """The kernel says on its console which tasks wait for what, and ends.

        It works when nothing else does any more: an NMI, and see CMDLINE.
        """
        self.monitor.sendall(b"nmi\n")
        deadline = time.monotonic() + 20
        while self.alive() and time.monotonic() < deadline:
            time.sleep(0.1)

    def events(self):
        """New whole lines since the last call, as lists of words."""
        with open(self.share / "events", "rb") as stream:
            stream.seek(self._events_at)
            data = stream.read()
        whole = data.rfind(b"\n") + 1
        self._events_at += whole
        return [line.split() for line in data[:whole].decode().splitlines()]

    def output(self):
        """What QEMU itself had to say."""
        log = self.share / "qemu"
        return log.read_text(errors="replace") if log.exists() else ""

    def close(self):
        if self.process and self.alive():
            self.process.send_signal(signal.SIGKILL)
        if self.process:
            self.process.wait()
            self.monitor.close()
