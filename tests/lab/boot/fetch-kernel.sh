#!/bin/sh
# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# fetch-kernel.sh ROOT: in a new Debian root with package lists, download the newest kernel's package to ROOT/kernel-package.
# The meta package's dependency names it; installing it would only add an initramfs that nobody needs.
set -eu
# shellcheck disable=SC2016  # expanded in the root
chroot "$1" sh -euc '
    mkdir /kernel-package
    cd /kernel-package
    apt-get -o APT::Sandbox::User=root download -q "$(apt-cache depends linux-image-amd64 | sed -n "s/.*Depends: \(linux-image-[^ ]*\)/\1/p" | head -n 1)"
'
