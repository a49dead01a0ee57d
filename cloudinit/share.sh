# An unmounted folder must not look like an empty one, so no file is created in it before the mount.
mkdir -p $mount
$before
for _ in $$(seq 150); do mountpoint -q $mount || mount $mount && break; sleep 2; done
mountpoint -q $mount || { why="nothing is mounted at $mount"; exit 1; }
mkdir -p $directory
