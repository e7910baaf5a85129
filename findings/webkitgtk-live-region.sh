#!/usr/bin/env bash
# A live region is how a page tells a screen reader what has happened: "The reply is complete." In WebKitGTK a region
# with role="status" is in the AT-SPI tree as it should be, with "live: polite", and its new text is there for whoever
# asks. One would guess that the change is reported as well, as Chromium and Firefox do. No event at all comes when its
# text changes, nor for role="alert", aria-live="assertive" or a plain paragraph; only new elements are reported, as
# children. A reader who uses GNOME Web or any other browser on WebKitGTK hears nothing of what a page says by itself.
# Needs Debian's packages; they are not installed by this script.
set -euo pipefail
for package in webkit2gtk-driver libwebkit2gtk-4.1-0 at-spi2-core xvfb dbus-x11 python3-pyatspi; do
  dpkg-query --show --showformat '${Package} ${Version}\n' "$package" || { echo "apt-get install $package"; exit 2; }
done
dir=$(mktemp -d) && mkdir -m 700 "$dir/run" "$dir/home"
pids=()
end() { kill "${pids[@]}" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$dir" || { sleep 2; rm -rf "$dir"; }; }
trap end EXIT
cat >"$dir/page.html" <<'HTML'
<!doctype html><meta charset="utf-8"><title>start</title>
<div role="status" id="polite">old</div><div role="alert" id="alarm">old</div><p id="plain">old</p><div role="log" id="log"></div>
<script>
const wait = (ms) => new Promise((done) => setTimeout(done, ms));
const steps = {
  "status": () => { polite.textContent = "new"; },
  "status node": () => { polite.firstChild.data = "newer"; },
  "alert": () => { alarm.textContent = "new"; },
  "paragraph": () => { plain.textContent = "new"; },
  "log entry": () => log.append(Object.assign(document.createElement("p"), { textContent: "new" })),
};
setTimeout(async () => {
  for (const [name, step] of Object.entries(steps)) {
    document.title = `step: ${name};`;
    await wait(1000);
    step();
    await wait(1000);
  }
  document.title = "step: end;";
}, 12000);
</script>
HTML
cat >"$dir/listen.py" <<'PY'
import re
import sys

import pyatspi
from gi.repository import GLib

heard, step, tree = {}, None, []


def within(node, depth=0):
    yield node
    for child in node if depth < 20 else ():
        if child is not None:
            yield from within(child, depth + 1)


def look(app):
    """What an assistive program finds in the tree when it asks."""
    for node in within(app):
        attributes = dict(entry.split(":", 1) for entry in node.getAttributes())
        if attributes.get("container-live", attributes.get("live", "off")) != "off":
            tree.append(f"{node.getRoleName()} {attributes.get('live')} {node.queryText().getText(0, -1)!r}")


def take(event):
    global step
    try:
        role, name = event.source.getRoleName(), event.source.name or ""
        app = event.source.getApplication()
    except Exception:  # gone by now
        return
    if role == "frame":
        if found := re.match(r"step: ([a-z ]+);", name):
            step = found[1]
            heard.setdefault(step, [])
            if step == "log entry" and not tree:
                look(app)
            if step == "end":
                pyatspi.Registry.stop()
    elif step is not None and role not in ("filler", "scroll pane", "document web"):  # where a page that loads is put
        heard[step].append(f"{event.type} at {role}")


pyatspi.Registry.registerEventListener(take, "object")
GLib.timeout_add_seconds(60, pyatspi.Registry.stop)
pyatspi.Registry.start()
with open(sys.argv[1], "w") as file:
    file.writelines(f"event of {name}: {events}\n" for name, events in heard.items() if name != "end")
    file.writelines(f"in the tree: {line}\n" for line in tree)
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
export WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS=1 LIBGL_ALWAYS_SOFTWARE=1  # for a machine without namespaces and GPU
look webkitgtk "$(find /usr/lib -path '*webkit2gtk-4.1/MiniBrowser' | head -n 1)"
diff - "$dir/webkitgtk.txt" <<'SEEN'
event of status: []
event of status node: []
event of alert: []
event of paragraph: []
event of log entry: ['object:children-changed:add at log']
in the tree: status bar polite 'newer'
in the tree: notification assertive 'new'
in the tree: log polite ''
SEEN
