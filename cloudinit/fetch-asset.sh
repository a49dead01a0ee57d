apt install --no-install-recommends awscli
try aws s3 cp --only-show-errors --region "$region" "s3://$bucket/$packages" /run/swarmer-packages.zip
try aws s3 cp --only-show-errors --region "$region" "s3://$bucket/$key" /run/swarmer-software.zip
rm -rf /run/swarmer-wheels
"$$root/bin/python" -m zipfile -e /run/swarmer-packages.zip /run/swarmer-wheels
export SWARMER_WHEELS=/run/swarmer-wheels
