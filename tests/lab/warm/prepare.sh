#!/bin/sh
# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Runs in a guest that has just booted: puts its userland together and starts the warm interpreter's server in it.
set -eu
mkdir -p /lower /layer /upper /newroot
# Neither changes, so the driver need not ask the host again what a path is (ttl: milliseconds).
mount -t vboxsf -o ttl=1000000000 lab-userland /lower
mount -t vboxsf -o ttl=1000000000 lab-layer /layer
mount -t tmpfs tmpfs /upper
mkdir /upper/data /upper/work
mount -t overlay overlay -o lowerdir=/layer:/lower,upperdir=/upper/data,workdir=/upper/work /newroot
cd /newroot
chmod u+s usr/bin/sudo # vboxsf shows neither set-user-ID bits nor sticky ones, nor owners
chmod +t tmp var/tmp
for user in home/*; do
    chroot . chown -R "${user#home/}:" "/$user"
done
mkdir -p mnt/lab
mount -t vboxsf lab-work mnt/lab
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t devtmpfs devtmpfs dev
mkdir -p dev/pts dev/shm
mount -t devpts devpts dev/pts
mount -t tmpfs tmpfs run
mkdir run/lock
ln -sf /proc/self/mounts etc/mtab
chroot . /bin/sh -c 'python3 -I /opt/warm/warmd.py </dev/null >/run/warm.log 2>&1 &'
for _ in $(seq 1200); do
    if grep -q ready run/warm.log; then
        break
    fi
    sleep 1
done
cat run/warm.log
# What is dear to start is run once, so that the state has it in memory: each page that is read costs a call of the host.
chroot . /bin/sh -c '
    mkdir /tmp/used && 0install digest --algorithm=sha256new /tmp/used && rmdir /tmp/used
    runuser -l somebody -c true; sudo true; find /opt -prune
' >/dev/null 2>&1
