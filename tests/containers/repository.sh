#!/bin/sh
# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# repository.sh ROOT: give a new Debian root a repository of its own with Zero Install, which is not installed; what it
# depends on is. So guests need no network, and the role has little to wait for.
set -eu
root=$1
inside() { chroot "$root" env DEBIAN_FRONTEND=noninteractive "$@"; }

inside apt-get -o APT::Sandbox::User=root -o APT::Keep-Downloaded-Packages=true -qq -y --no-install-recommends install 0install-core
inside dpkg --purge 0install-core
inside userdel zeroinst
rm -rf "$root/var/cache/0install.net"
mkdir "$root/srv/packages"
mv "$root"/var/cache/apt/archives/0install-core_*.deb "$root/srv/packages"
inside sh -c 'cd /srv/packages && apt-ftparchive packages . >Packages'
rm -rf "$root"/etc/apt/sources.list "$root"/etc/apt/sources.list.d/*
echo 'deb [trusted=yes] file:/srv/packages ./' >"$root/etc/apt/sources.list.d/guest.list"
