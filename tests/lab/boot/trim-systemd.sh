#!/bin/sh
# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# trim-systemd.sh ROOT: leave of systemd, in a new Debian root, what mounts, loads modules and keeps a journal.
# In a guest of the lab it costs a minute to read all units, start all of Debian's services and run all generators.
set -eu
cd "$1"
trim() {
    folder=$1
    shift
    keep=$(printf '|%s' "$@")
    for path in "$folder"/*; do
        case "$keep|" in
            *"|${path##*/}|"*) ;;
            *) rm -r "$path" ;;
        esac
    done
}
trim lib/systemd/system-generators systemd-fstab-generator
trim etc/systemd/system
trim lib/systemd/system basic.target emergency.service emergency.target local-fs-pre.target local-fs.target \
    local-fs.target.wants multi-user.target multi-user.target.wants paths.target shutdown.target slices.target sockets.target \
    sockets.target.wants swap.target sysinit.target sysinit.target.wants systemd-journald-dev-log.socket \
    systemd-journald.service systemd-journald.socket systemd-modules-load.service timers.target umount.target
find lib/systemd/system -xtype l -delete
# It would have systemd look up 400 system calls each time that it reads the unit.
sed -i '/^SystemCallFilter=/d' lib/systemd/system/systemd-journald.service
ln -s multi-user.target lib/systemd/system/default.target
cat >etc/systemd/system/lab-agent.service <<EOF
[Service]
ExecStart=/bin/sh -c 'exec /bin/sh /mnt/lab/guest-agent.sh </dev/ttyS1 >/dev/ttyS1 2>&1'
Restart=always
EOF
mkdir etc/systemd/system/multi-user.target.wants
ln -s /etc/systemd/system/lab-agent.service etc/systemd/system/multi-user.target.wants
