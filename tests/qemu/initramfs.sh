#!/bin/sh
# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# initramfs.sh ROOT: before the kernel comes into a new Debian root, say what its initramfs is to have: the drivers of disk
# and network. With these it needs no udev, whose scripts are replaced by ones that do nothing.
set -eu
etc=$1/etc/initramfs-tools
mkdir -p "$etc/conf.d" "$etc/scripts/init-top" "$etc/scripts/init-bottom" "$1/usr/share/initramfs-tools/modules.d"
printf 'MODULES=list\nCOMPRESS=lz4\nBUSYBOX=n\n' >"$etc/conf.d/guest"
printf 'virtio_pci\nvirtio_blk\nvirtio_net\next4\n' >"$1/usr/share/initramfs-tools/modules.d/guest"
for script in "$etc/scripts/init-top/udev" "$etc/scripts/init-bottom/udev"; do
    printf '#!/bin/sh\nexit 0\n' >"$script"
    chmod +x "$script"
done
