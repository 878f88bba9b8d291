# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Answer the requests in the drop boxes of this host's guests, until none is waiting.

    python3 -IS store_import.pyz --store PATH [OPTION...]

What the module zeroinstall.virtualbox.store_import does, as a program of its own for a service. Each answer is a line
of output. Exit status 0: all are answered, whatever the answers are.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
import time
import traceback
from typing import TextIO

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._errors import Failure
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._inbox import one_pass
from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._inbox.extracting import Limits

PAUSE = 1.0
"""Seconds before the end where something is left to do, so that the service is not started anew without a pause."""


def say(line: object, stream: TextIO | None) -> None:
    """Write a line at once. Where it cannot be written, it is lost, and the work goes on."""
    if stream is None:  # it was closed before Python began
        return
    try:
        stream.write(f"{line}\n")
        stream.flush()
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())  # what is left of the line must not fail again at the end
        os.close(nowhere)


def tell(answer: one_pass.Answer) -> None:
    """Print an answer."""
    reason = ": " + answer.reason if answer.reason else ""
    say(f"{answer.box}: {answer.status} {answer.digest}{reason}", sys.stdout)


def main() -> int:
    """Carry out the command; its exit status."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--store", required=True, help="the store")
    parser.add_argument("--boxes", default=one_pass.BOXES, help="the folder of the drop boxes")
    parser.add_argument("--workers", type=int, default=0, help="processes that unpack, 0 for one a processor")
    parser.add_argument("--dry-run", action="store_true", help="only tell what is waiting")
    for name, value in Limits()._asdict().items():
        parser.add_argument("--" + name.replace("_", "-"), type=int, default=value, help="default: %(default)s")
    given = vars(parser.parse_args())
    limits = Limits(*(given[name] for name in Limits._fields))
    options = one_pass.Options(given["store"], given["boxes"], limits, given["workers"])
    try:
        result = one_pass.run(options, tell, given["dry_run"])
    except Exception as error:
        if isinstance(error, Failure):
            say(error, sys.stderr)
        else:
            traceback.print_exc()
        time.sleep(PAUSE)
        return 1
    for warning in result.warnings:
        say(warning, sys.stderr)
    if result.left:
        time.sleep(PAUSE)
    return 0
