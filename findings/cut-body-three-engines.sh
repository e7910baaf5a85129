#!/usr/bin/env bash
# A page that reads a long body keeps what has come where the body ends badly or is stopped. How much that is differs.
# - Two gzip members one after the other are one valid gzip file (RFC 1952; logs and exports that were appended to are
#   such). DecompressionStream refuses the second, as its standard says, but 60,000 bytes of the first have arrived by
#   then in Chromium, 32,768 in Firefox and none in WebKit.
# - AbortController.abort("why") makes a read fail with "why" in Chromium and Firefox, and with an AbortError that knows
#   nothing of it in WebKit: code that tells "stopped by the reader" from "left the page" by the reason cannot.
# - A clone of an answer ends with its AbortError too, but in WebKit it can still be read to its end after the abort.
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
import http.server
import sys

PAGE = b"""<!doctype html><script>
const wait = (ms) => new Promise((done) => setTimeout(done, ms));
const packed = async (bytes) => new Response(new Blob([bytes]).stream().pipeThrough(new CompressionStream("gzip"))).blob();
const tests = {
  async members() {
    const one = await packed(crypto.getRandomValues(new Uint8Array(60000)));
    const file = new Uint8Array(await new Blob([one, one]).arrayBuffer());
    const chunk = new ReadableStream({ start(queue) { queue.enqueue(file); queue.close(); } });
    const reader = chunk.pipeThrough(new DecompressionStream("gzip")).getReader();
    let bytes = 0;
    try {
      for (let part; !(part = await reader.read()).done; ) bytes += part.value.length;
      return `both members: ${bytes} bytes`;
    } catch (error) {
      return `two gzip members: ${bytes} bytes, then ${error.name}`;
    }
  },
  async reason() {
    const stopping = new AbortController();
    const reader = (await fetch("/slow", { signal: stopping.signal })).body.getReader();
    await reader.read();
    stopping.abort("why");
    return reader.read().then(() => "read on", (error) => `abort("why"): ${error?.name ?? error}`);
  },
  async clone() {
    const stopping = new AbortController();
    const answer = await fetch("/short", { signal: stopping.signal });
    const clone = answer.clone();
    await answer.text();
    stopping.abort();
    return clone.text().then((text) => `clone after abort: "${text}"`, (error) => `clone after abort: ${error.name}`);
  },
};
(async () => {
  let seen = "";
  for (const test of Object.values(tests)) seen += (await test()) + "\\n";
  await fetch("/end", { method: "POST", body: seen });
})();
</script>"""


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html" if self.path == "/" else "text/plain")
        if self.path == "/slow":  # one byte of two, and no more
            self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write({"/": PAGE, "/slow": b"1", "/short": b"short"}.get(self.path, b""))
        if self.path == "/slow":
            self.rfile.read(1)

    def do_POST(self) -> None:
        print(self.rfile.read(int(self.headers["Content-Length"])).decode(), end="")
        self.send_response(204)
        self.end_headers()
        self.server.is_over = True

    def log_message(self, *_: object) -> None:
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads, server.timeout, server.is_over = True, 1, False
server.block_on_close = False
with open(sys.argv[1], "w") as file:
    file.write(str(server.server_port))
waits = 0
while not server.is_over and (waits := waits + 1) < 600:
    server.handle_request()
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
Chromium two gzip members: 60000 bytes, then TypeError
Chromium abort("why"): why
Chromium clone after abort: AbortError
Firefox two gzip members: 32768 bytes, then TypeError
Firefox abort("why"): why
Firefox clone after abort: AbortError
WebKitGTK two gzip members: 0 bytes, then TypeError
WebKitGTK abort("why"): AbortError
WebKitGTK clone after abort: "short"
SEEN
