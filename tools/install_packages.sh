#!/bin/sh
# Installs Debian packages, as root: sh tools/install_packages.sh openssh-server. Without names it only reads the lists of packages.
#
# Another apt-get may be at work, such as the one that Debian starts by itself each day: apt-get waits for the lock of the packages when it
# is told to, for that of the lists never.
set -u
tries=60
until said=$(apt-get update 2>&1); do
    tries=$((tries - 1))
    if [ $tries = 0 ] || [ "$said" = "${said#*Could not get lock}" ]; then
        echo "$said" >&2
        exit 1
    fi
    sleep 5
done
[ $# = 0 ] || exec apt-get install --yes --no-install-recommends -o DPkg::Lock::Timeout=300 "$@"
