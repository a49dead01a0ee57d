# In a Vagrant box that has no cloud-init: it is installed, and reads the volume that is attached as at any boot.
set -eu
command -v cloud-init > /dev/null && exit 0
export DEBIAN_FRONTEND=noninteractive
apt-get update -q && apt-get install -qy --no-install-recommends cloud-init
cloud-init init --local
cloud-init init
cloud-init modules --mode=config
cloud-init modules --mode=final
