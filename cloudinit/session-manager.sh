# The agent for sessions is installed first. Debian's image lacks it; 3.3.4851.0 is the first without CVE-2026-89049.
way_in() {
  command -v amazon-ssm-agent > /dev/null && return
  arch=$$(dpkg --print-architecture)
  case $$arch in
    amd64) sha256=777df4e0ac4bbc8d7d1b159db76cdb6614666bcc73141874414b8be68fb9cba3 ;;
    arm64) sha256=2ed75ecacf633af8b48568f1d468a4849ad006ff901f63761ecb9b0daa8d90d2 ;;
    *) why="there is none for $$arch" && return 1 ;;
  esac
  package=/run/amazon-ssm-agent.deb
  get https://s3.$region.$url_suffix/amazon-ssm-$region/3.3.5226.0/debian_$$arch/amazon-ssm-agent.deb $$package &&
    check $$package $$sha256 && apt install $$package
}
# A node without sessions still serves the cluster.
way_in || echo "swarmer: Session Manager is not installed: $$why" | tee /dev/console
why="the first boot failed"
