mkdir -p /run/swarmer-seed && mount -o ro LABEL=$label /run/swarmer-seed
cp "/run/swarmer-seed/$file" /run/swarmer-software.zip
umount /run/swarmer-seed
