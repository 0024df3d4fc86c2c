# SPDX-License-Identifier: GPL-2.0
"""What the kernel must not say on its console.

console-deny holds one regular expression per line. console-allow holds
exceptions, `REGEX -- REASON`; a missing reason or file is an error: a check
that does not work must not look like a clean log.
"""

import re
from pathlib import Path

HERE = Path(__file__).parent


def _lines(name):
    for line in (HERE / name).read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            yield line


class Scanner:
    def __init__(self):
        deny = list(_lines("console-deny"))
        if not deny:
            raise ValueError("console-deny is empty")
        self.deny = re.compile("|".join(f"(?:{line})" for line in deny))
        self.allow = []
        for line in _lines("console-allow"):
            regex, mark, reason = line.partition(" -- ")
            if not mark or not reason.strip():
                raise ValueError(f"console-allow: no reason given: {line}")
            self.allow.append(re.compile(regex))

    def complaints(self, text):
        """The offending lines of a piece of console output."""
        return [line for line in text.splitlines()
                if self.deny.search(line)
                and not any(allow.search(line) for allow in self.allow)]


class Console:
    """Cuts a growing console file at the marks that tests/vm/guest prints."""

    def __init__(self, path):
        self.path = path
        self.at = 0

    def _rest(self):
        with open(self.path, "rb") as stream:
            stream.seek(self.at)
            return stream.read()

    def until(self, mark):
        """The text up to and with the line of `mark`; None if not there yet."""
        data = self._rest()
        found = re.search(rb"blki: " + re.escape(mark.encode()) + rb"\r?\n", data)
        if not found:
            return None
        self.at += found.end()
        return data[:found.end()].decode(errors="replace")

    def rest(self):
        data = self._rest()
        self.at += len(data)
        return data.decode(errors="replace")
