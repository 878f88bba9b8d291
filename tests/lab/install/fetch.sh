#!/bin/sh
# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# fetch.sh ROOT SUITE...: in a new Debian root, Oracle's image of Guest Additions as each of these releases of
# Debian has it (component non-free), in ROOT/srv/additions/SUITE.iso.
set -eu
root=$1
shift
mirror=$(sed -n 's/^deb \(\[[^]]*\] \)\{0,1\}\([^ ]*\) .*/\2/p' "$root/etc/apt/sources.list" | head -n 1)
source=$root/etc/apt/sources.list.d/additions.list
mkdir -p "$root/srv/additions/package"
for suite; do
    echo "deb $mirror $suite non-free" >"$source"
    # shellcheck disable=SC2016  # expanded in the root
    chroot "$root" sh -euc '
        cd /srv/additions/package
        only="-o Dir::Etc::sourcelist=/etc/apt/sources.list.d/additions.list -o Dir::Etc::sourceparts=/dev/null"
        apt-get -q $only -o Acquire::Check-Valid-Until=false update
        apt-get -q $only -o APT::Sandbox::User=root download virtualbox-guest-additions-iso
        dpkg -x ./*.deb .
        mv usr/share/virtualbox/VBoxGuestAdditions.iso "../$1.iso"
        rm -r ./*
    ' sh "$suite"
done
rm -r "$source" "$root/srv/additions/package"
