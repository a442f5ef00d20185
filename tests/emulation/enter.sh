#!/bin/sh
# Enters an emulated root:  unshare --mount enter.sh ROOT CPUINFO [SOURCE=TARGET]... -- COMMAND...
# The mounts live in this process's own mount namespace and vanish with it. Each SOURCE (a file or a folder of the host)
# appears in the root as TARGET.
set -eu

root=$1
cpuinfo=$2
shift 2

mount --rbind /dev "$root/dev"
mount --rbind /proc "$root/proc"
mount --bind "$cpuinfo" "$root/proc/cpuinfo"
while [ "$1" != -- ]; do
    source=${1%%=*}
    target=$root${1#*=}
    if [ -d "$source" ]; then
        mkdir -p "$target"
    else
        mkdir -p "$(dirname "$target")"
        [ -e "$target" ] || : > "$target"
    fi
    mount --bind "$source" "$target"
    shift
done
shift

exec chroot "$root" "$@"
