# For a Vagrant box without cloud-init: installs it and runs its stages, so that it reads the attached volume.
set -eu
command -v cloud-init > /dev/null && exit 0
export DEBIAN_FRONTEND=noninteractive
apt-get update -q && apt-get install -qy --no-install-recommends cloud-init
cloud-init init --local
cloud-init init
cloud-init modules --mode=config
cloud-init modules --mode=final
