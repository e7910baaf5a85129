#!/bin/sh
# Makes the image's file tree from this checkout and runs it in a bare chroot, read-only, as a user without a name:
# starts, is healthy, answers, drains at SIGTERM. Where no container runtime is. Needs root, unshare(1), chroot(1).
#   scripts/image_check.sh PYTHON
set -eu
python=$1
work=$(mktemp -d)
server=
end() {
    if [ -n "$server" ]; then kill -9 "$server" 2>/dev/null || true; fi
    rm -rf "$work"
}
trap end EXIT

"$python" -m pip --disable-pip-version-check install --quiet --no-compile --target "$work/site" --require-hashes --requirement requirements/image.txt
"$python" -m pip --disable-pip-version-check install --quiet --no-compile --no-deps --target "$work/site" .
"$python" scripts/image_tree.py "$work/site" "$work/tree"
size=$(du -sm "$work/tree" | cut -f1)
[ "$size" -lt 120 ] || { echo "the tree has $size MB, 120 are allowed" >&2; exit 1; }

# As a runtime mounts it: all of it read-only, but for a volume and a small /tmp of its own; with devices and processes.
mkdir "$work/tree/dev" "$work/tree/proc" "$work/data" && chmod 770 "$work/data" && chown 23456:0 "$work/data"
port=$("$python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
: >"$work/log"
unshare --mount sh -eu -c '
    mount --bind "$0/tree" "$0/tree"
    mount --bind "$0/data" "$0/tree/data"
    mount -t tmpfs -o mode=1777,size=16m tmpfs "$0/tree/tmp"
    mount --bind /dev "$0/tree/dev"
    mount --bind /proc "$0/tree/proc"
    mount -o remount,bind,ro "$0/tree"
    exec env -i HOME=/data LIANHUA_DATA_DIR=/data LIANHUA_HOST=0.0.0.0 LIANHUA_PORT="$1" LIANHUA_ALLOW_OPEN=1 \
        LIANHUA_DISCOVERY=0 PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=/app PYTHONUNBUFFERED=1 PYTHONUTF8=1 \
        "$(command -v chroot)" --userspec=23456:0 "$0/tree" /usr/bin/python3 -m lianhua serve
' "$work" "$port" >"$work/log" 2>&1 &
server=$!

tries=0
until grep -q 'Lianhua 连话: ' "$work/log"; do
    tries=$((tries + 1))
    [ $tries -lt 300 ] && kill -0 "$server" 2>/dev/null || { cat "$work/log" >&2; echo "the server did not start" >&2; exit 1; }
    sleep 0.2
done
health=$("$python" - Containerfile <<'END'
import json, re, sys
from pathlib import Path
print(json.loads(re.search(r"HEALTHCHECK .*? CMD (\[.*\])", Path(sys.argv[1]).read_text())[1])[3])
END
)
env -i LIANHUA_PORT="$port" "$(command -v chroot)" --userspec=23456:0 "$work/tree" /usr/bin/python3 -S -c "$health"
"$python" - "http://127.0.0.1:$port" <<'END'
import json, sys, urllib.request
def ask(path, body=None):
    headers = {"Content-Type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(sys.argv[1] + path, body, headers), timeout=60) as answer:
        return answer.read().decode()
conversation = json.loads(ask("/api/conversations?user_id=anna", b"{}"))["id"]
path = f"/api/conversations/{conversation}/turns"
turn = json.loads(ask(f"{path}?user_id=anna", json.dumps({"message": "你好"}).encode()))["turn_id"]
assert '"status":"done"' in ask(f"{path}/{turn}/events?user_id=anna")
assert "<title>" in ask("/")
END
kill -TERM "$server"
code=0
wait "$server" || code=$?
server=
[ "$code" -eq 0 ] || { cat "$work/log" >&2; echo "the server ended with $code" >&2; exit 1; }
! grep -E 'ERROR|Traceback|Read-only' "$work/log"
echo "the image: $size MB; it starts read-only as a user without a name, is healthy, answers, and drains"
