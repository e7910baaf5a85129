"""nginx, Caddy, Apache and HAProxy as Debian ships them, with the lines of docs/proxies.md. Changed are only addresses,
ports and names of files, so that they run in a folder of a test, beside one that serves this machine.
"""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from tests.proxies.page import lines_for
from tests.support.servers.ports import free_port
from tests.support.servers.program import die_with_parent

NAME = "chat.example.org"
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 2.0  # a proxy that waits for its streams is killed, as the system's own manager would


class Proxy:
    """Listens on `port` of 127.0.0.1 with TLS, in front of the server at `upstream_port`, from entering to leaving.

    With `patience_s` every time-out of the proxy that a silent stream could meet is so many seconds.
    """

    name: str
    program: str
    opening: str  # the line below which the lines for a path go

    def __init__(self, folder: Path, upstream_port: int, certificate: Path, key: Path, patience_s: float = 0) -> None:
        folder.mkdir(parents=True)
        self.port = free_port()
        self.url = f"https://{NAME}:{self.port}"
        self.plain_port = free_port()
        self.plain_url = f"http://{NAME}:{self.plain_port}"  # as in a house or an office, without a certificate
        self.folder = folder
        self.certificate = certificate
        self._log = (folder / "log").open("wb")
        lines = lines_for(self.name)
        assert self.opening in lines.host
        host = lines.host.replace(self.opening, self.opening + lines.path)
        host = host.replace("127.0.0.1:8000", f"127.0.0.1:{upstream_port}")
        host = host.replace(f"/etc/ssl/certs/{NAME}.pem", str(certificate))
        host = host.replace(f"/etc/ssl/private/{NAME}.key", str(key))
        self._command, self._environment = self._set_up(host, certificate, key, patience_s)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._log.close()

    def start(self) -> None:
        found = shutil.which(self.program, path=f"{os.environ['PATH']}:/usr/sbin")
        assert found, f"no {self.program}: run tests/need_proxies.sh"
        self._process = subprocess.Popen(
            [found, *self._command],
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(self.folder), **self._environment},
            cwd=self.folder,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            preexec_fn=die_with_parent(os.getpid()),  # noqa: PLW1509  no thread of ours holds a lock here
        )
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline and self._process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            time.sleep(0.02)
        raise RuntimeError(f"{self.name} did not start:\n{(self.folder / 'log').read_text('utf-8', 'replace')}")

    def stop(self) -> None:
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def _set_up(
        self, host: str, certificate: Path, key: Path, patience_s: float
    ) -> tuple[list[str], Mapping[str, str]]:
        """Writes the files; the arguments of the program, and what is in its environment."""
        raise NotImplementedError


class Nginx(Proxy):
    name = "nginx"
    program = "nginx"
    opening = f"server_name {NAME};\n"

    def _set_up(
        self, host: str, certificate: Path, key: Path, patience_s: float
    ) -> tuple[list[str], Mapping[str, str]]:
        plain = f"listen 127.0.0.1:{self.plain_port};\n    listen 127.0.0.1:{self.port} "
        site = host.replace("listen 443 ", plain)
        if patience_s:
            waits = f"proxy_read_timeout {patience_s * 1000:.0f}ms; send_timeout {patience_s * 1000:.0f}ms;"
            site = site.replace(self.opening, f"{self.opening}{waits}\n")
        if os.geteuid() != 0:  # else the shipped ones, which its own user may write to
            parts = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
            site = "".join(f"{part}_temp_path {self.folder}/{part};\n" for part in parts) + site
        (self.folder / "site").write_text(site)
        main = Path("/etc/nginx/nginx.conf").read_text("utf-8")
        main = main.replace("/run/nginx.pid", f"{self.folder}/pid").replace("/var/log/nginx/", f"{self.folder}/")
        main = main.replace("/etc/nginx/conf.d/*.conf", f"{self.folder}/conf.d/*.conf")
        main = main.replace("/etc/nginx/sites-enabled/*", f"{self.folder}/site")
        (self.folder / "nginx.conf").write_text(main)
        return ["-e", "stderr", "-c", str(self.folder / "nginx.conf"), "-g", "daemon off;"], {}


class Caddy(Proxy):
    name = "Caddy"
    program = "caddy"
    opening = f"{NAME} {{\n"

    def _set_up(
        self, host: str, certificate: Path, key: Path, patience_s: float
    ) -> tuple[list[str], Mapping[str, str]]:
        """It has no time-out that a silent stream could meet."""
        # It would ask an authority for a certificate, and listen for its administrator.
        own = f"{self.url} {{\n    bind 127.0.0.1\n    tls {certificate} {key}\n"
        plain = host.replace(self.opening, f"{self.plain_url} {{\n    bind 127.0.0.1\n")
        site = "{\n    admin off\n    auto_https disable_redirects\n}\n" + host.replace(self.opening, own) + plain
        (self.folder / "Caddyfile").write_text(site)
        folders = {"XDG_DATA_HOME": str(self.folder), "XDG_CONFIG_HOME": str(self.folder)}
        return ["run", "--config", str(self.folder / "Caddyfile"), "--adapter", "caddyfile"], folders


class Apache(Proxy):
    name = "Apache"
    program = "apache2"
    opening = f"ServerName {NAME}\n"
    shipped = Path("/etc/apache2")

    def _set_up(
        self, host: str, certificate: Path, key: Path, patience_s: float
    ) -> tuple[list[str], Mapping[str, str]]:
        main = (self.shipped / "apache2.conf").read_text("utf-8")
        if patience_s:
            main = re.sub(r"^Timeout .*", f"Timeout {patience_s:.0f}", main, flags=re.MULTILINE)
        (self.folder / "apache2.conf").write_text(main)
        for folder in ("conf-available", "conf-enabled", "mods-available"):
            (self.folder / folder).symlink_to(self.shipped / folder)
        enabled = self.folder / "mods-enabled"
        enabled.mkdir()
        for file in (self.shipped / "mods-enabled").iterdir():
            (enabled / file.name).symlink_to(file.resolve())
        for module in re.findall(r"^# a2enmod (.*)$", host, re.MULTILINE)[0].split():
            self._enable(module)
        ports = (self.shipped / "ports.conf").read_text("utf-8")
        ports = ports.replace("Listen 80\n", f"Listen 127.0.0.1:{self.plain_port}\n").replace(
            "Listen 443", f"Listen 127.0.0.1:{self.port}"
        )
        (self.folder / "ports.conf").write_text(ports)
        sites = self.folder / "sites-enabled"
        sites.mkdir()
        plain = re.sub(r"^    (SSL|Protocols).*\n", "", host, flags=re.MULTILINE)
        hosts = host.replace("*:443", f"*:{self.port}") + plain.replace("*:443", f"*:{self.plain_port}")
        (sites / "lianhua.conf").write_text(hosts)
        folders = {f"APACHE_{name}_DIR": str(self.folder) for name in ("RUN", "LOCK", "LOG")}
        who = {"APACHE_RUN_USER": "www-data", "APACHE_RUN_GROUP": "www-data"}
        environment = {**folders, **who, "APACHE_PID_FILE": str(self.folder / "pid")}
        return ["-d", str(self.folder), "-f", str(self.folder / "apache2.conf"), "-D", "FOREGROUND"], environment

    def _enable(self, module: str) -> None:
        """What a2enmod does, with what the module needs."""
        for ending in ("load", "conf"):
            file = self.shipped / "mods-available" / f"{module}.{ending}"
            link = self.folder / "mods-enabled" / file.name
            if file.is_file() and not link.is_symlink():
                link.symlink_to(file)
                for needed in re.findall(r"^# Depends: (.*)$", file.read_text("utf-8"), re.MULTILINE):
                    for name in needed.split():
                        self._enable(name)


class Haproxy(Proxy):
    name = "HAProxy"
    program = "haproxy"
    opening = "del-header Forwarded\n"

    def _set_up(
        self, host: str, certificate: Path, key: Path, patience_s: float
    ) -> tuple[list[str], Mapping[str, str]]:
        both = self.folder / "both.pem"
        both.write_text(certificate.read_text() + key.read_text())
        plain = f"bind 127.0.0.1:{self.plain_port}\n    bind 127.0.0.1:{self.port}"
        own = host.replace("bind :443", plain)
        own = own.replace(f"/etc/haproxy/certs/{NAME}.pem", str(both))
        main = Path("/etc/haproxy/haproxy.cfg").read_text("utf-8")
        main = main.replace("/run/haproxy/admin.sock", f"{self.folder}/admin.sock")
        if patience_s:
            main = re.sub(r"(timeout (?:client|server)\s+)\d+", rf"\g<1>{patience_s * 1000:.0f}", main)
        if os.geteuid() != 0:
            main = re.sub(r"^\s+(chroot|user|group) .*\n", "", main, flags=re.MULTILINE)
        (self.folder / "haproxy.cfg").write_text(f"{main}\n{own}")
        return ["-db", "-f", str(self.folder / "haproxy.cfg")], {}


PROXIES: tuple[type[Proxy], ...] = (Nginx, Caddy, Apache, Haproxy)
