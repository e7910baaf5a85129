#!/bin/sh
# Some tests start real proxies with what Debian ships, in folders of their own. Where one is missing and we may install
# it, do; else say what to install. Debian's packages would start services on ports 80 and 443: see need_servers.sh.
set -eu
PATH="$PATH:/usr/sbin"
missing=""
for pair in nginx:nginx-light caddy:caddy apache2:apache2 haproxy:haproxy curl:curl openssl:openssl; do
  command -v "${pair%%:*}" >/dev/null 2>&1 || missing="$missing ${pair##*:}"
done
[ -n "$missing" ] || exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  policy=/usr/sbin/policy-rc.d
  if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
  fi
  apt-get update -qq
  # shellcheck disable=SC2086  one word a package
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
  for name in $missing; do
    name="${name%-light}"
    [ ! -d /run/systemd/system ] || systemctl disable --now --quiet "$name" 2>/dev/null || true
    [ ! -e "/etc/init.d/$name" ] || service "$name" stop >/dev/null 2>&1 || true
  done
  exit 0
fi
echo "make test runs proxies with their Debian settings; missing:$missing (Debian: apt-get install$missing)" >&2
exit 1
