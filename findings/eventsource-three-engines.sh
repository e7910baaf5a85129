#!/usr/bin/env bash
# EventSource is old and has one standard; one would guess that Chromium, Firefox and WebKit come back after a cut in the
# same way. Three ways in which they do not, each of which a server meets that resumes by Last-Event-ID:
# - An event of nothing but an id (a heartbeat that moves the place forward) counts in Chromium, as the standard says;
#   Firefox and WebKit forget it and come back with no id or an older one.
# - Where the first answer was a redirect, Chromium comes back to the address it was sent to, for ever; Firefox and
#   WebKit ask the first address again. A redirect to "the node that has your stream" lasts in one and not in the others.
# - "text/event-stream; charset=gbk" closes Chromium's for good without a second try; the others read it as UTF-8.
# Needs Debian's packages; they are not installed by this script.
set -euo pipefail
for package in chromium firefox-esr webkit2gtk-driver libwebkit2gtk-4.1-0 xvfb dbus-x11; do
  dpkg-query --show --showformat '${Package} ${Version}\n' "$package" || { echo "apt-get install $package"; exit 2; }
done
dir=$(mktemp -d) && mkdir -m 700 "$dir/run" "$dir/home" "$dir/firefox"
pids=()
end() { for pid in "${pids[@]}"; do kill -- "-$pid" "$pid" 2>/dev/null || true; done; wait 2>/dev/null || true; sleep 1; rm -rf "$dir"; }
trap end EXIT
cat >"$dir/server.py" <<'PY'
"""Sends each stream once and ends it; prints what each engine came back with."""
import http.server
import sys

PAGE = b"""<!doctype html><script>
const names = ["idonly", "redirect", "charset"];
(async () => {
  for (const name of names) {
    const source = new EventSource(`/${name}`);
    await new Promise((done) => setTimeout(done, 2500));
    await fetch(`/state/${name}/${source.readyState === 2 ? "closed" : "open"}`);
    source.close();
  }
  await fetch("/end");
})();
</script>"""
STREAMS = {
    "idonly": ("text/event-stream", "retry: 100\ndata: one\nid: 1\n\nid: 2\n\n"),
    "redirect": ("text/event-stream", ""),
    "node": ("text/event-stream", "retry: 100\ndata: here\n\n"),
    "charset": ("text/event-stream; charset=gbk", "retry: 100\ndata: 你好\n\n"),
}
asked: dict[str, list[str]] = {}


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        name = self.path.strip("/")
        if name.startswith("state/"):
            _, stream, state = name.split("/")
            asked.setdefault("state", []).append(f"{stream} {state}")
        elif name in STREAMS:
            asked.setdefault(name, []).append(self.headers.get("Last-Event-ID") or "none")
        if name == "redirect":
            self.send_response(307)
            self.send_header("Location", "/node")
            self.end_headers()
            return
        kind, body = STREAMS.get(name, ("text/html", PAGE.decode() if name == "" else ""))
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.end_headers()
        self.wfile.write(body.encode())
        if name == "end":
            self.server.is_over = True

    def log_message(self, *_: object) -> None:
        pass


server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
server.timeout, server.is_over = 1, False
with open(sys.argv[1], "w") as file:
    file.write(str(server.server_port))
waits = 0
while not server.is_over and (waits := waits + 1) < 600:
    server.handle_request()
print("comes back after ids 1 and 2 with", asked["idonly"][1])
print("asks for the redirecting address", "once" if len(asked["redirect"]) == 1 else "each time")
print("is", asked["state"][2].split()[1], "after charset=gbk, having asked", "once" if len(asked["charset"]) == 1 else "again")
PY
export HOME="$dir/home" XDG_RUNTIME_DIR="$dir/run" LANG=C.UTF-8
export WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS=1 LIBGL_ALWAYS_SOFTWARE=1  # for a machine without namespaces and GPU
exec 3>"$dir/display"; Xvfb -displayfd 3 -screen 0 1024x768x24 >/dev/null 2>&1 & pids+=($!)
for _ in $(seq 50); do [ -s "$dir/display" ] && break; sleep 0.1; done
export DISPLAY=":$(cat "$dir/display")"
look() {
  rm -f "$dir/port"
  timeout 60 python3 "$dir/server.py" "$dir/port" >"$dir/$1.txt" 2>/dev/null & local server=$!
  for _ in $(seq 50); do [ -s "$dir/port" ] && break; sleep 0.1; done
  setsid timeout 60 dbus-run-session -- "${@:2}" "http://127.0.0.1:$(cat "$dir/port")/" >/dev/null 2>&1 & pids+=($!)
  wait "$server"
  kill -- "-${pids[-1]}" 2>/dev/null || true
  sed "s/^/$1 /" "$dir/$1.txt"
}
echo 'user_pref("termsofuse.acceptedVersion", 999);' >"$dir/firefox/user.js"
look Chromium chromium --headless --no-sandbox --disable-gpu --no-first-run --remote-debugging-port=0 --user-data-dir="$dir/chromium" | tee "$dir/seen"
look Firefox firefox-esr --headless --profile "$dir/firefox" --no-remote | tee -a "$dir/seen"
look WebKitGTK "$(find /usr/lib -path '*webkit2gtk-4.1/MiniBrowser' | head -n 1)" | tee -a "$dir/seen"
diff - "$dir/seen" <<'SEEN'
Chromium comes back after ids 1 and 2 with 2
Chromium asks for the redirecting address once
Chromium is closed after charset=gbk, having asked once
Firefox comes back after ids 1 and 2 with 1
Firefox asks for the redirecting address each time
Firefox is open after charset=gbk, having asked again
WebKitGTK comes back after ids 1 and 2 with 1
WebKitGTK asks for the redirecting address each time
WebKitGTK is open after charset=gbk, having asked again
SEEN
