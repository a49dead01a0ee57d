grep -qs " $mount " /etc/fstab || printf '%s\n' "$source $mount $kind _netdev,nofail 0 0" >> /etc/fstab
