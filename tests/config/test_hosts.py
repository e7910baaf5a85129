"""Which names a server answers to."""

import socket
from pathlib import Path

import pytest

from lianhua.config.hosts import HostNames, host_names, is_private, machine_names
from lianhua.config.settings import load_settings

NOWHERE = Path("/nonexistent")


def names_of(**environ: str) -> HostNames:
    return host_names(load_settings(environ, NOWHERE / ".env"))


@pytest.mark.parametrize(
    "name", ["192.168.1.5", "0.0.0.0", "::1", "fe80::1%eth0", "2001:db8::1", "localhost", "LOCALHOST.", "127.9.9.9"]
)
def test_off_loopback_addresses_are_answered(name: str) -> None:
    assert names_of(LIANHUA_HOST="0.0.0.0").include(name)


def test_off_loopback_the_machines_own_name_is_answered() -> None:
    own = socket.gethostname()
    names = names_of(LIANHUA_HOST="::")
    for name in (own, own.upper(), f"{own}.", f"{own.partition('.')[0]}.local"):
        assert names.include(name), name


@pytest.mark.parametrize("host", ["0.0.0.0", "127.0.0.1"])
@pytest.mark.parametrize(
    "name", ["evil.example", "", "127.0.0.1.evil.example", "1.2.3", "0x7f.1", "localhost.evil.example", "."]
)
def test_no_other_name_is(host: str, name: str) -> None:
    assert not names_of(LIANHUA_HOST=host).include(name)


def test_listed_names_are_added_and_take_nothing_away() -> None:
    for host in ("0.0.0.0", "127.0.0.1"):
        names = names_of(LIANHUA_HOST=host, LIANHUA_ALLOWED_ORIGINS="https://Chat.example.org:8443")
        assert names.include("chat.example.org")
        assert names.include("localhost")
        assert not names.include("example.org")
        assert names.include("192.168.1.5") == (host == "0.0.0.0")


def test_what_stands_beside_the_name_in_the_hosts_file_is_a_name_too(tmp_path: Path) -> None:
    own = socket.gethostname().lower()
    file = tmp_path / "hosts"
    file.write_bytes(
        f"127.0.0.1 localhost\n10.0.0.5\t{own}.Lan {own} # evil.example\n0.0.0.0 ads.example\n\xff\n".encode("latin-1")
    )
    names = machine_names(file)
    assert f"{own}.lan" in names
    assert not {"ads.example", "evil.example", "localhost", "10.0.0.5"} & set(names)
    assert own in machine_names(tmp_path / "none")


@pytest.mark.parametrize("name", ["lianhua", "lianhua_backend", "nas.local", "host.docker.internal", "a.home.arpa"])
def test_a_private_name_is_one_that_no_public_server_gives(name: str) -> None:
    assert is_private(name)


@pytest.mark.parametrize("name", ["", "evil.example", "local.evil.example", "10.0.0.1", "::1", "a.b"])
def test_a_public_one_is_not(name: str) -> None:
    assert not is_private(name)
