# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stands in for get-pip.py in ansible-test's cache: pip installs itself from its wheel, which lies beside this file.

ansible-test names the file ``get_pip_24_2.py`` and gives its path in ``$GET_PIP``.
"""

from __future__ import annotations

import glob
import os
import sys

HERE, NAME = os.path.split(os.path.abspath(os.environ.get("GET_PIP", __file__)))
VERSION = NAME[len("get_pip_"):-len(".py")].replace("_", ".")
sys.path.insert(0, glob.glob(os.path.join(glob.escape(HERE), "pip-%s-*.whl" % VERSION))[0])

from pip._internal.cli.main import main  # noqa: E402

sys.exit(main(["install"] + [word for word in sys.argv[1:] if word not in ("--no-setuptools", "--no-wheel")]))
