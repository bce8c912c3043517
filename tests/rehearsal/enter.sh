#!/bin/sh
# Runs as the first process of new namespaces, becomes the engine: enter.sh ROOT READY CGROUP OPTION...
# ROOT is a folder with Debian and Docker in it. READY is made when a network may be joined to the namespaces.
set -eu
root=$1 ready=$2 cgroup=$3
shift 3

mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/run"
mount -t tmpfs tmpfs "$root/tmp"

ip link set lo up
touch "$ready"
until ip route | grep -q default; do sleep 0.1; done

# All folders of our own cgroup: one on a machine with the unified hierarchy, one per controller elsewhere.
for folder in $cgroup; do echo $$ > "$folder/engine/cgroup.procs"; done

cd "$root"
mkdir -p old
pivot_root . old
exec chroot . sh -c 'umount -l /old && rmdir /old && exec dockerd "$@"' sh "$@"
