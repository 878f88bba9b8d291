# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stands in for get-pip.py in ansible-test's cache: pip is unpacked from its wheel, which lies beside this file.

It then installs what else it is asked for. ansible-test names the file ``get_pip_24_2.py`` and gives its path in
``$GET_PIP``.
"""

from __future__ import annotations

import glob
import importlib
import os
import sys
import sysconfig
import zipfile

HERE, NAME = os.path.split(os.path.abspath(os.environ.get("GET_PIP", __file__)))
VERSION = NAME[len("get_pip_") : -len(".py")].replace("_", ".")
with zipfile.ZipFile(glob.glob(os.path.join(glob.escape(HERE), "pip-%s-*.whl" % VERSION))[0]) as wheel:
    wheel.extractall(sysconfig.get_path("purelib"))
importlib.invalidate_caches()

from pip._internal.cli.main import main  # noqa: E402

sys.exit(main(["install"] + [word for word in sys.argv[1:] if word not in ("--no-setuptools", "--no-wheel")]))
