#!/bin/sh
# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# The guest's first process: loads VirtualBox's guest drivers and serves the second serial port.  The first one is the console.
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sys /sys
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox --install -s /bin
export PATH=/bin:/sbin:/usr/bin:/usr/sbin HOME=/
exec >/dev/ttyS0 2>&1 </dev/ttyS0
for module in vboxguest vboxsf overlay; do
    insmod "/lib/$module.ko"
    echo "GUEST: insmod $module: $?"
done
echo "GUEST: READY, uptime $(cat /proc/uptime)"
while :; do
    sh /guest-agent.sh </dev/ttyS1 >/dev/ttyS1 2>&1
    if [ -e /systemd ]; then
        exec switch_root -c /dev/console /newroot /lib/systemd/systemd
    fi
    sleep 1
done
