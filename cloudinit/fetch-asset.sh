"$$root/bin/pip" install --quiet boto3==1.44.5
"$$root/bin/python" -c "import boto3, sys; boto3.client('s3', region_name=sys.argv[1]).download_file(*sys.argv[2:])" "$region" "$bucket" "$key" /run/swarmer-software.zip
