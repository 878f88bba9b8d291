#!/bin/sh
# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# prepare.sh ROOT STANDIN KEY: make a new Debian root a guest: its disk, network, ssh for KEY, and the stand-in's module.
# What is masked has nothing to do in such a guest and would only take time.
set -eu
root=$1 standin=$2 key=$3

mkdir -p "$root/root/.ssh"
chmod 700 "$root/root/.ssh"
cp "$key" "$root/root/.ssh/authorized_keys"
chroot "$root" passwd -qd root
printf 'UseDNS no\nX11Forwarding no\nPrintMotd no\nUsePAM no\n' >"$root/etc/ssh/sshd_config.d/guest.conf"

echo guest >"$root/etc/hostname"
printf '127.0.0.1 localhost guest\n' >"$root/etc/hosts"
printf '# the disk\n/dev/vda / ext4 errors=remount-ro,noatime 0 0\n' >"$root/etc/fstab"
printf '[Match]\nType=ether\n[Network]\nAddress=10.0.2.15/24\nGateway=10.0.2.2\nLinkLocalAddressing=no\n' \
    >"$root/etc/systemd/network/eth.network"
chroot "$root" systemctl -q enable systemd-networkd
chroot "$root" systemctl -q mask systemd-networkd-wait-online getty@tty1 serial-getty@ttyS0 apt-daily.timer \
    apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap fstrim.timer systemd-timesyncd \
    systemd-pstore modprobe@drm modprobe@efi_pstore modprobe@configfs systemd-binfmt systemd-hwdb-update
systemd-machine-id-setup --root="$root" >/dev/null 2>&1 || chroot "$root" systemd-machine-id-setup

release=$(basename "$root"/lib/modules/*)
# The tables by which modprobe finds vboxsf, of three kernels, in /root/modules: "standin" has the stand-in, "mainline" the
# kernel's own driver, "none" has no vboxsf at all.
modules=$root/lib/modules/$release
tables() {
    chroot "$root" depmod "$release"
    mkdir -p "$root/root/modules/$1"
    cp "$modules"/modules.* "$root/root/modules/$1"
}
tables mainline
mv "$modules/kernel/fs/vboxsf" "$root/root"
tables none
mv "$root/root/vboxsf" "$modules/kernel/fs"
mkdir -p "$modules/updates"
cp "$standin" "$modules/updates/vboxsf.ko"
tables standin
