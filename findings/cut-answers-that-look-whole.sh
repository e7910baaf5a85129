#!/bin/bash
# A server dies in the middle of a chunked answer. One would guess that a proxy in between passes that on: HTTP/1.1 has
# the missing last chunk for it, HTTP/2 has RST_STREAM (RFC 9112, 8; RFC 9113, 8.1.1).
# nginx does, over both. HAProxy 2.6 does over HTTP/1.1 only: over HTTP/2 it ends the stream in good order. Caddy 2.6
# does over neither: it even writes the last chunk that the server never sent. A client sees half an answer as a whole one.
# It matters to whatever streams: an answer needs a mark of its own at its end (a length, a hash, a last event), and
# whether a test notices that it lacks one depends on the proxy and on the version of HTTP.
set -eu
work=$(mktemp -d)
children=""
# shellcheck disable=SC2086  # one word a process
trap 'kill $children 2>/dev/null || true; rm -rf "$work"' EXIT
cd "$work"

# Debian 12's own packages, unpacked and not installed, with the libraries that a plain system lacks.
mkdir packages root
(cd packages && timeout 180 apt-get download nginx=1.22.1-9+deb12u11 caddy=2.6.2-5 haproxy=2.6.12-1+deb12u4 \
  liblua5.3-0 libopentracing-c-wrapper0 libopentracing1 libpcre2-8-0 >/dev/null 2>&1)
for package in packages/*.deb; do dpkg-deb -x "$package" root; done
export LD_LIBRARY_PATH="$work/root/usr/lib/x86_64-linux-gnu"
python3 -m venv client
timeout 180 client/bin/pip --quiet --disable-pip-version-check install 'httpx[http2]==0.28.1' 'h2==4.3.0'

read -r server n1 n2 c1 c2 h1 h2 < <(python3 - <<'PY'
import socket
held = [socket.create_server(("127.0.0.1", 0)) for _ in range(7)]
print(*(one.getsockname()[1] for one in held))
PY
)

cat > server.py <<PY
import socket, threading, time
def answer(connection):
    with connection:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        connection.sendall(b"f\r\ndata: half an\n\n\r\n")
        time.sleep(0.5)  # and is gone without the rest, and without the last chunk
listener = socket.create_server(("127.0.0.1", $server))
while True:
    threading.Thread(target=answer, args=(listener.accept()[0],), daemon=True).start()
PY

cat > nginx.conf <<CONF
daemon off; pid $work/nginx.pid; error_log $work/nginx.log;
events { }
http {
  access_log off;
  client_body_temp_path $work/t1; proxy_temp_path $work/t2; fastcgi_temp_path $work/t3; uwsgi_temp_path $work/t4; scgi_temp_path $work/t5;
  server {
    listen 127.0.0.1:$n1; listen 127.0.0.1:$n2 http2;
    location / { proxy_pass http://127.0.0.1:$server; proxy_http_version 1.1; proxy_buffering off; }
  }
}
CONF
cat > Caddyfile <<CONF
{
  admin off
  auto_https off
  servers {
    protocols h1 h2c
  }
}
http://127.0.0.1:$c1, http://127.0.0.1:$c2 {
  reverse_proxy 127.0.0.1:$server
}
CONF
cat > haproxy.cfg <<CONF
defaults
  mode http
  timeout connect 5s
  timeout client 50s
  timeout server 50s
listen all
  bind 127.0.0.1:$h1
  bind 127.0.0.1:$h2 proto h2
  server one 127.0.0.1:$server
CONF

python3 server.py & children="$children $!"
root/usr/sbin/nginx -e "$work/nginx.log" -c "$work/nginx.conf" & children="$children $!"
HOME="$work" root/usr/bin/caddy run --config Caddyfile --adapter caddyfile >caddy.log 2>&1 & children="$children $!"
root/usr/sbin/haproxy -db -f haproxy.cfg >haproxy.log 2>&1 & children="$children $!"

cat > client.py <<PY
import socket, time, httpx
def see(port, http2):
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            break
        except OSError:
            time.sleep(0.1)
    try:
        with httpx.Client(http1=not http2, http2=http2, timeout=20, trust_env=False) as client:
            answer = client.get(f"http://127.0.0.1:{port}/")
        return f"{answer.status_code}, whole: {answer.text!r}"
    except httpx.RemoteProtocolError:
        return "cut"
HALF = "200, whole: 'data: half an\\\\n\\\\n'"
expected = {
    ("nginx 1.22.1", 1): "cut", ("nginx 1.22.1", 2): "cut",
    ("Caddy 2.6.2", 1): HALF, ("Caddy 2.6.2", 2): HALF,
    ("HAProxy 2.6.12", 1): "cut", ("HAProxy 2.6.12", 2): HALF,
}
ports = dict(zip(expected, ($n1, $n2, $c1, $c2, $h1, $h2)))
seen = {which: see(port, which[1] == 2) for which, port in ports.items()}
for (name, version), what in seen.items():
    print(f"{name:15} HTTP/{version}  {what}")
raise SystemExit(0 if seen == expected else "this has changed")
PY
timeout 120 client/bin/python client.py
