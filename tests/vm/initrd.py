# SPDX-License-Identifier: GPL-2.0
"""What the guest starts with: the host's root, and in memory what it runs most.

To open a file of the host's takes the guest several round trips through the
emulator; a program with its libraries is dozens of them, and a case starts
hundreds of programs. So these are in the upper layer of its root from the
beginning, which is the kernel's rootfs: the kernel unpacks it (usr/, newc of
Documentation/driver-api/early-userspace/buffer-format.rst).
"""

import functools
import os
import re
import shutil
import stat
import subprocess
from pathlib import Path

PROGRAMS = """
    awk basename bash bioctl blkdiscard blkid blockdev bpftool busybox cat chmod
    cmp cp cut date dd dirname dmesg dmsetup e2fsck echo env false fio fsfreeze
    gojq grep head id kill ln losetup ls lsblk md5sum mdadm mkdir mkfs.ext4
    mktemp mount mv ps readlink rm rmdir sed seq setarch setsid sfdisk sh
    sha256sum sleep sort stat stty swapoff swapon sync tail tee timeout touch tr
    true truncate udevadm umount uname uniq wc xargs
""".split()
FILES = ["/etc/ld.so.cache", "/etc/passwd", "/etc/group", "/etc/nsswitch.conf"]
# What is larger is read where it lies: fio's libraries for Ceph, for instance.
LARGEST = 6 << 20
# Relative to /, a rootfs that is a tmpfs because there is no root=.
INIT = """#!/bin/busybox sh
export PATH=/bin
busybox mkdir /host /work /merged /upper
busybox mount -t 9p -o \
ro,trans=virtio,version=9p2000.L,cache=loose,msize=512000 /dev/root /host &&
busybox mount -t overlay -o lowerdir=/host,upperdir=/upper,workdir=/work \
overlay /merged &&
cd /merged &&
busybox mount --move . / &&
exec busybox chroot . {init}
echo "blki: no root"
busybox poweroff -f
"""


def with_links(path):
    """The file and every link and directory on the way to it."""
    found = []
    path = Path(path)
    while True:
        real = path.parent.resolve() / path.name
        # /lib is one itself, and how the loader is called.
        found += [p for p in path.parents if p.is_symlink()]
        found += [p for p in real.parents if p.name] + [real]
        if not real.is_symlink():
            return found
        path = real.parent / os.readlink(real)


def libraries(program):
    done = subprocess.run(["ldd", program], check=False, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return re.findall(r"(/\S+) \(0x", done.stdout)


def hot_files(root, out, path):
    files = list(FILES)
    for name in PROGRAMS:
        program = shutil.which(name, path=path)
        if program:
            files += [program, *libraries(program)]
    files.append(out / "tests" / "progs" / "rule")
    for top in (out / "tests" / "bpf", out / "bpf-progs",
                root / "tests" / "lib"):
        files += [file for file in top.glob("*") if file.is_file()]
    return sorted({p for file in files if os.path.exists(file)
                   and os.path.getsize(file) < LARGEST
                   for p in with_links(file)})


def entry(name, mode, data=b""):
    name = name.encode() + b"\0"
    fields = (0, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name), 0)
    head = b"070701" + b"".join(b"%08X" % field for field in fields) + name
    return head + bytes(-len(head) % 4) + data + bytes(-len(data) % 4)


def copied(path):
    mode = path.lstat().st_mode
    data = b""
    if stat.S_ISLNK(mode):
        data = os.readlink(path).encode()
    elif stat.S_ISREG(mode):
        data = path.read_bytes()
    return entry(f"upper{path}", mode, data)


@functools.lru_cache
def initrd(init, root, out, path, hot):
    """Bytes for QEMU's -initrd.

    init: what becomes the first process, on the whole root; root, out, path:
    of the repository, of what was built, to search programs in; hot: whether
    there is memory for what is run most.
    """
    busybox = Path(shutil.which("busybox", path=path)).read_bytes()
    parts = [entry("bin", stat.S_IFDIR | 0o755),
             entry("bin/busybox", stat.S_IFREG | 0o755, busybox),
             entry("init", stat.S_IFREG | 0o755,
                   INIT.format(init=init).encode()),
             entry("upper", stat.S_IFDIR | 0o755)]
    if hot:
        parts += [copied(file) for file in hot_files(root, out, path)]
    return b"".join([*parts, entry("TRAILER!!!", 0)])
