#!/bin/sh
# Some tests speak to a real Redis beside the embedded Valkey. Where it is missing and we may install it, do; else say
# what to install. Debian's package would start a service on port 6379: the tests start their own servers.
set -eu
command -v redis-server >/dev/null 2>&1 && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  # invoke-rc.d asks this program whether it may start a service; 101 means no. One that is there already stays.
  policy=/usr/sbin/policy-rc.d
  if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
  fi
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends redis-server >/dev/null
  # Where a policy of the machine let it start, and at the next boot: it was not here before.
  [ ! -d /run/systemd/system ] || systemctl disable --quiet redis-server
  service redis-server stop >/dev/null 2>&1 || true
  exit 0
fi
echo "make test needs redis-server: install it from your system's packages (Debian: apt-get install redis-server)" >&2
exit 1
