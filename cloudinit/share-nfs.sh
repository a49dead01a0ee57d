if [ ! -x /sbin/mount.nfs ]; then
  apt update
  apt install --no-install-recommends nfs-common
fi
