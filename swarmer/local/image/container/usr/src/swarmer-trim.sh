#!/bin/sh
# Units that mean nothing in a container and cost boot time; and one that a container has instead of AWS's agent.
set -eu
systemctl mask -q \
    apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service \
    fstrim.timer motd-news.timer systemd-tmpfiles-clean.timer \
    getty@tty1.service console-getty.service container-getty@.service getty.target serial-getty@.service \
    systemd-networkd.service systemd-networkd.socket systemd-networkd-wait-online.service networking.service \
    systemd-udevd.service systemd-udev-trigger.service systemd-udevd-kernel.socket systemd-udevd-control.socket \
    systemd-logind.service systemd-firstboot.service systemd-timesyncd.service systemd-update-utmp.service \
    systemd-journal-flush.service sys-kernel-config.mount sys-kernel-debug.mount sys-kernel-tracing.mount \
    dev-hugepages.mount dev-mqueue.mount systemd-remount-fs.service systemd-random-seed.service \
    systemd-modules-load.service ldconfig.service systemd-journal-catalog-update.service systemd-update-done.service \
    systemd-hibernate-clear.service systemd-pcrphase.service cloud-init-hotplugd.socket
systemctl enable -q run-command-agent.service
systemctl set-default -q multi-user.target
rm -rf /var/lib/apt/lists/* /var/cache/apt/archives/*.deb
