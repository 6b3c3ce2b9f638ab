#!/usr/bin/env bash
# Boots a systemd over the files of this machine. What it writes goes to memory. booted-systemd.ts runs this as root, in a new
# mount namespace:
#
#   boot-systemd.sh FOLDER [nspawn options]
#
# Exit code 125 means that this machine does not allow it. Standard error says what it does not allow.
set -euo pipefail
folder=$1
shift

refused() {
  echo "$1" >&2
  exit 125
}

mkdir "$folder/memory" "$folder/root"
mount -t tmpfs tmpfs "$folder/memory" || refused 'a tmpfs cannot be mounted here'
mkdir "$folder/memory/upper" "$folder/memory/work"
mount -t overlay overlay "$folder/root" \
  -o "lowerdir=/,upperdir=$folder/memory/upper,workdir=$folder/memory/work" || refused 'an overlay cannot be mounted here'

# From version 256 on, systemd needs control groups of version 2, whatever the machine has. Each boot has its own group, because
# several can run at once.
umount -R /sys/fs/cgroup 2>/dev/null || true
mount -t cgroup2 cgroup2 /sys/fs/cgroup || refused 'control groups of version 2 cannot be mounted here'
group=/sys/fs/cgroup/muster-test-$$
{ mkdir "$group" && echo $$ >"$group/cgroup.procs"; } || refused 'a control group cannot be made here'

# No service of this machine is started a second time.
rm -rf "$folder/root"/etc/systemd/system/* "$folder/root"/etc/init.d/* "$folder/root/etc/fstab"
# Without an id, systemd would take this for the first boot of the machine and ask questions.
[[ -s $folder/root/etc/machine-id ]] || tr -d - </proc/sys/kernel/random/uuid >"$folder/root/etc/machine-id"

# When this script is ended, the container ends too.
child=
trap '[[ -z $child ]] || kill -TERM "$child"' TERM
code=133
while ((code == 133)); do # 133 means that it asks to be booted again
  setpriv --pdeathsig TERM systemd-nspawn -q -D "$folder/root" --machine=muster-test --register=no --keep-unit \
    --private-network --link-journal=no --console=pipe --kill-signal=SIGRTMIN+3 "$@" --boot systemd.unit=multi-user.target &
  child=$!
  code=0
  wait "$child" || code=$?
  # The signal ended only the first `wait`, and not the container.
  if ((code > 128)) && kill -0 "$child" 2>/dev/null; then
    code=0
    wait "$child" || code=$?
  fi
done
echo $$ >/sys/fs/cgroup/cgroup.procs || true
find "$group" -depth -type d -exec rmdir {} + || true
exit "$code"
