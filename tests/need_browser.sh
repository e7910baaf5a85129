#!/bin/sh
# The tests of the page drive the system's Chromium, Firefox and WebKitGTK, the last one on a display that Xvfb makes.
# Where one is missing and we may install it, do; else say what to install.
set -eu

any() {
  for name in "$@"; do
    command -v "$name" >/dev/null 2>&1 && return 0
  done
  return 1
}

missing=""
any chromium chromium-browser google-chrome || missing="$missing chromium"
any firefox-esr firefox || missing="$missing firefox-esr"
any WebKitWebDriver || missing="$missing webkit2gtk-driver"
any Xvfb || missing="$missing xvfb"
[ -z "$missing" ] && exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  apt-get update -qq
  # shellcheck disable=SC2086  one word each
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing fonts-noto-cjk >/dev/null
  exit 0
fi
echo "make test drives Chromium, Firefox and WebKitGTK: install them from your system's packages" \
  "(Debian: apt-get install$missing)" >&2
exit 1
