#!/bin/sh
# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# A stand-in for hosts or for guests: this machine, with folders of its own where roles write. What is changed in them is
# gone with the last process. machine.sh host|guest FOLDER COMMAND…, run in a mount namespace of its own.
set -eu
kind=$1 folder=$2
shift 2
here=$(dirname "$(readlink -f "$0")")

own=/etc:/usr/sbin:/usr/local:/var/cache:/var/lib:/usr/lib/python3/dist-packages
mkdir "$folder/own"
mount -t tmpfs -o mode=755 own "$folder/own"
IFS=:
for path in $own; do
    mkdir -p "$folder/own$path/changed" "$folder/own$path/work"
    mount -t overlay -o "lowerdir=$path,upperdir=$folder/own$path/changed,workdir=$folder/own$path/work" own "$path"
done
unset IFS
if [ -d /run/systemd ]; then
    mount -t tmpfs -o mode=755 none /run/systemd
fi
rm -rf /var/cache/0install.net
sed -i "s|^root:.*|root:x:0:0:root:$folder:/bin/sh|" /etc/passwd

if [ "$kind" = guest ]; then
    echo '# nothing but what a role adds' >/etc/fstab
    mkdir -p /etc/modules-load.d
    rm -f /etc/apt/apt.conf.d/docker-clean # with it, apt reads all its lists each time, as no guest does
    install "$here/mount.vboxsf" /usr/sbin/mount.vboxsf
    printf '#!/bin/sh\n' >/usr/sbin/modprobe
    chmod 755 /usr/sbin/modprobe
    install -m 644 "$here/vboxsf_mounts.py" /usr/lib/python3/dist-packages
    echo 'import vboxsf_mounts' >/usr/lib/python3/dist-packages/vboxsf_mounts.pth
    { cat /proc/filesystems && printf 'nodev\tvboxsf\n'; } >"$folder/own/filesystems"
    mount --bind "$folder/own/filesystems" /proc/filesystems
    mount -t tmpfs -o mode=755 sys /sys
    mkdir -p /sys/class/dmi/id /sys/module/vboxguest /sys/bus/pci/devices/0000:00:04.0
    echo VirtualBox >/sys/class/dmi/id/product_name
    echo 0x80ee >/sys/bus/pci/devices/0000:00:04.0/vendor
    echo 0xcafe >/sys/bus/pci/devices/0000:00:04.0/device
fi
exec "$@"
