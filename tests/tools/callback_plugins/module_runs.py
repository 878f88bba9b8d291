# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write down what is run on which host, a line each, whatever the verbosity; fleet.py counts it.

A log of a verbosity of its own (``log_verbosity``) came with ansible-core 2.17.
"""

from __future__ import annotations

DOCUMENTATION = """
name: module_runs
type: notification
short_description: Write down what is run on which host
description: The file is named by the environment variable ZEROINSTALL_VIRTUALBOX_RUNS.
"""

import os  # noqa: E402
import re  # noqa: E402

from ansible.plugins.callback import CallbackBase  # noqa: E402
from ansible.utils.display import Display  # noqa: E402

RUN = re.compile("labserial: |(SSH: )?EXEC ")


class CallbackModule(CallbackBase):
    """What Ansible looks for here. It is loaded before the processes are forked off that run tasks."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "module_runs"

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        file = os.open(os.environ["ZEROINSTALL_VIRTUALBOX_RUNS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        tell = Display.verbose

        def verbose(display, msg, host=None, caplevel=2):
            if host and RUN.match(msg):
                os.write(file, f"{host}\n".encode())
            return tell(display, msg, host=host, caplevel=caplevel)

        Display.verbose = verbose
