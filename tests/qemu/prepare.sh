#!/bin/sh
# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# prepare.sh ROOT STANDINS KEY: make a new Debian root a guest: its disk, network, ssh for KEY, the stand-ins' modules.
# What is masked has nothing to do in such a guest, and udev looks at its disk and network only: the rest would take time.
set -eu
root=$1 standins=$2 key=$3

mkdir -p "$root/root/.ssh"
chmod 700 "$root/root/.ssh"
cp "$key" "$root/root/.ssh/authorized_keys"
chroot "$root" passwd -qd root
printf 'UseDNS no\nX11Forwarding no\nPrintMotd no\nUsePAM no\n' >"$root/etc/ssh/sshd_config.d/guest.conf"

echo guest >"$root/etc/hostname"
printf '127.0.0.1 localhost guest\n' >"$root/etc/hosts"
printf '# the disk\n/dev/vda / ext4 errors=remount-ro,noatime 0 0\n' >"$root/etc/fstab"
cat >"$root/etc/systemd/system/network.service" <<UNIT
[Unit]
DefaultDependencies=no
Wants=network.target
Before=network.target
[Service]
Type=oneshot
ExecStart=ip address add 10.0.2.15/24 dev eth0
ExecStart=ip link set eth0 up
[Install]
WantedBy=multi-user.target
UNIT
mkdir "$root/etc/systemd/system/systemd-udev-trigger.service.d"
cat >"$root/etc/systemd/system/systemd-udev-trigger.service.d/few.conf" <<UNIT
[Service]
ExecStart=
ExecStart=udevadm trigger --type=devices --action=add --subsystem-match=block --subsystem-match=net
UNIT
chroot "$root" systemctl -q enable network
# Started when they are asked, as by shutdown(8)
rm "$root"/lib/systemd/system/multi-user.target.wants/dbus.service \
    "$root"/lib/systemd/system/multi-user.target.wants/systemd-logind.service
chroot "$root" systemctl -q mask getty@tty1 serial-getty@ttyS0 apt-daily.timer apt-daily-upgrade.timer \
    dev-hugepages.mount dev-mqueue.mount dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap fstrim.timer \
    kmod-static-nodes modprobe@configfs modprobe@dm_mod modprobe@drm modprobe@efi_pstore modprobe@fuse modprobe@loop \
    sys-fs-fuse-connections.mount sys-kernel-config.mount sys-kernel-debug.mount sys-kernel-tracing.mount \
    systemd-ask-password-console.path systemd-ask-password-wall.path systemd-binfmt systemd-hwdb-update \
    systemd-machine-id-commit systemd-network-generator systemd-pstore systemd-random-seed systemd-sysusers \
    systemd-timesyncd systemd-update-utmp systemd-update-utmp-runlevel systemd-user-sessions
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
cp "$standins/vboxsf.ko" "$modules/updates"
tables standin
# Not where modprobe finds it
cp "$standins/vboxguest.ko" "$root/root"
