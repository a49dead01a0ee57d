get "$url" /run/swarmer-software.zip
check /run/swarmer-software.zip $sha256
