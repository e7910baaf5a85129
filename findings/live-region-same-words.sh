#!/usr/bin/env bash
# A chat page tells a screen reader in one live region that a reply is complete, again and again in the same words. Common
# advice is to put the words into a new node each time, or to empty the region and fill it again. Over AT-SPI, Firefox
# reports each of them as new text. Chromium compares the text: a new node with the old words, or emptied and filled
# within one task, is no "text-changed" event at all, and a screen reader says nothing. Another last character (a
# no-break space) is heard in both. And what is written while a modal <dialog> is open is lost for good in Firefox,
# while Chromium reports it when the dialog closes. Needs Debian's packages; they are not installed by this script.
set -euo pipefail
for package in chromium firefox-esr at-spi2-core xvfb dbus-x11 python3-pyatspi; do
  dpkg-query --show --showformat '${Package} ${Version}\n' "$package" || { echo "apt-get install $package"; exit 2; }
done
dir=$(mktemp -d) && mkdir -m 700 "$dir/run" "$dir/home"
pids=()
end() { kill "${pids[@]}" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$dir" || { sleep 2; rm -rf "$dir"; }; }
trap end EXIT
cat >"$dir/page.html" <<'HTML'
<!doctype html><meta charset="utf-8"><title>start</title><div role="status" id="line"></div><dialog id="dialog"><p>open</p></dialog>
<script>
const wait = (ms) => new Promise((done) => setTimeout(done, ms));
const node = () => Object.assign(document.createElement("span"), { textContent: "complete" });
const steps = {
  "first words": () => line.replaceChildren(node()),
  "new node": () => line.replaceChildren(node()),
  "emptied and filled": () => { line.textContent = ""; line.textContent = "complete"; },
  "another last character": () => { line.textContent = "complete\u00a0"; },
  "behind a dialog": () => { dialog.showModal(); line.textContent = "behind"; },
  "dialog closed": () => dialog.close(),
};
setTimeout(async () => {
  for (const [name, step] of Object.entries(steps)) {
    document.title = `step: ${name};`;
    await wait(1000);
    step();
    await wait(1000);
  }
  document.title = "step: end;";
}, 8000);
</script>
HTML
cat >"$dir/listen.py" <<'PY'
import re
import sys

import pyatspi
from gi.repository import GLib

heard, step = {}, None


def take(event):
    global step
    try:
        role, name = event.source.getRoleName(), event.source.name or ""
    except Exception:  # gone by now
        return
    if role == "frame" and (found := re.match(r"step: ([a-z ]+);", name)):
        step = found[1]
        if step == "end":
            pyatspi.Registry.stop()
        heard.setdefault(step, [])
    elif step and event.type.startswith("object:text-changed:insert") and role == "status bar":
        heard[step].append(event.any_data)


pyatspi.Registry.registerEventListener(take, "object:text-changed:insert")
pyatspi.Registry.registerEventListener(take, "object:property-change:accessible-name")
GLib.timeout_add_seconds(80, pyatspi.Registry.stop)
pyatspi.Registry.start()
with open(sys.argv[1], "w") as file:
    file.writelines(f"{name}: {texts}\n" for name, texts in heard.items() if name != "end")
PY
cat >"$dir/run.sh" <<'SH'
trap 'trap - TERM; kill 0' EXIT  # all of this session
/usr/libexec/at-spi-bus-launcher --launch-immediately &
sleep 1
"$@" "file://$DIR/page.html" &
timeout 90 /usr/bin/python3 "$DIR/listen.py" "$DIR/heard"
SH
exec 3>"$dir/display"; Xvfb -displayfd 3 -screen 0 1024x768x24 >/dev/null 2>&1 & pids+=($!)
for _ in $(seq 50); do [ -s "$dir/display" ] && break; sleep 0.1; done
export DIR="$dir" DISPLAY=":$(cat "$dir/display")" HOME="$dir/home" XDG_RUNTIME_DIR="$dir/run" GNOME_ACCESSIBILITY=1 ACCESSIBILITY_ENABLED=1 LANG=C.UTF-8
look() { setsid --wait dbus-run-session -- bash "$dir/run.sh" "${@:2}" >/dev/null 2>&1 || true; echo "# $1"; mv "$dir/heard" "$dir/$1.txt"; cat "$dir/$1.txt"; }
look chromium chromium --no-sandbox --disable-gpu --no-first-run --disable-background-networking \
  --force-renderer-accessibility --user-data-dir="$dir/chromium"
mkdir "$dir/firefox" && echo 'user_pref("termsofuse.acceptedVersion", 999); user_pref("browser.aboutwelcome.enabled", false);' >"$dir/firefox/user.js"
look firefox firefox-esr --profile "$dir/firefox" --no-remote
diff - "$dir/chromium.txt" <<'SEEN'
first words: ['complete']
new node: []
emptied and filled: []
another last character: ['complete\xa0']
behind a dialog: []
dialog closed: ['behind']
SEEN
diff - "$dir/firefox.txt" <<'SEEN'
first words: ['complete']
new node: ['complete']
emptied and filled: ['complete']
another last character: ['complete\xa0']
behind a dialog: []
dialog closed: []
SEEN
