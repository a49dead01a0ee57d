# A folder that is not mounted must not look like an empty one: nothing is made in it before.
mkdir -p $mount
$before
for _ in $$(seq 150); do mountpoint -q $mount || mount $mount && break; sleep 2; done
mountpoint -q $mount || { why="nothing is mounted at $mount"; exit 1; }
mkdir -p $directory
