#!/bin/sh
# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# The guest's serial agent: one request, "ID COMMAND ID", at a time (see labkit/agent.py).
stty raw -echo </dev/ttyS1
while read -r line; do
    id=${line%% *}
    rest=${line#* }
    case $rest in
        *" $id") command=${rest%" $id"} ;;
        *) continue ;;
    esac
    echo "@@BEGIN $id@@"
    ( eval "$command" ) </dev/null 2>&1
    echo "@@END $id $?@@"
done
