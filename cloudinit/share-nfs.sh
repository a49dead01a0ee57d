[ -x /sbin/mount.nfs ] || { apt-get update && apt-get install -y --no-install-recommends nfs-common; }
