#!/usr/bin/env bash
# Boots Debian's systemd as PID 1 of namespaces of its own, on an overlay of this machine's root.
# Nothing that happens in it reaches this machine: files go to memory, and the network is loopback.
# $1: an empty directory. $2: a directory that the booted machine sees as /srv.
# $3: a directory that it sees under its own name.
# Files of the root must not be changed meanwhile: an overlay does not notice.
set -euo pipefail
if [[ ${4-} != inside ]]; then
  # A group of its own, below one that may hold processes of others.
  group=$(findmnt --noheadings --first-only --types cgroup2 --output TARGET)/${1//\//-}
  mkdir "$group"
  echo $$ >"$group/cgroup.procs"
  exec unshare --pid --mount --uts --ipc --net --cgroup --fork --kill-child bash "$0" "$@" inside
fi
mount -t tmpfs tmpfs "$1"
mkdir "$1"/{upper,work,root}
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
mkdir -p "$1/root/$3"
mount --bind "$2" "$1/root/srv"
mount --bind "$3" "$1/root/$3"
cd "$1/root"
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=755 tmpfs dev
mkdir dev/pts dev/shm
for name in null zero full random urandom tty; do
  touch "dev/$name"
  mount --bind "/dev/$name" "dev/$name"
done
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
# These would change the kernel that both machines have, or hide files of the tests.
mkdir -p run/systemd/system
for unit in systemd-sysctl.service systemd-modules-load.service tmp.mount; do
  ln -s /dev/null "run/systemd/system/$unit"
done
ip link set lo up
# Not chroot: the kernel lets no process that it holds make a user namespace (PrivateUsers=).
pivot_root . mnt
cd /
umount --lazy /mnt
# Makes mounts of systemd for a service, such as its credentials, visible to the service.
mount --make-rshared /
exec env -i container=test PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
  /usr/lib/systemd/systemd --system --unit=basic.target --log-level=notice
