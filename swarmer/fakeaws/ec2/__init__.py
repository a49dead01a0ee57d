"""EC2: instances with addresses and tags, images, security groups, and the metadata service."""
