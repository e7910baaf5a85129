#!/bin/sh
# The browser tests drive the system's Chromium. Where it is missing and we may install it, do; else say what to install.
set -eu
for name in chromium chromium-browser google-chrome; do
  command -v "$name" >/dev/null 2>&1 && exit 0
done
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-noto-cjk >/dev/null
  exit 0
fi
echo "make test drives Chromium: install it from your system's packages (Debian: apt-get install chromium)" >&2
exit 1
