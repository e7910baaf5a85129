"""The certificate authorities that a server of a model is believed by."""

import importlib.util
import os
import re
import ssl
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

# Where systems keep them all in one file. A Python that was built elsewhere (a standalone build, a wheel's own OpenSSL)
# looks in other places. As Go's crypto/x509 tries them (root_linux.go, root_bsd.go), and Homebrew's and Termux's.
USUAL_FILES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu, Gentoo, Arch
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora, RHEL 6
    "/etc/ssl/ca-bundle.pem",  # openSUSE
    "/etc/pki/tls/cacert.pem",  # OpenELEC
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",  # RHEL 7 and newer
    "/etc/ssl/cert.pem",  # Alpine, macOS, OpenBSD
    "/usr/local/etc/ssl/cert.pem",  # FreeBSD
    "/usr/local/share/certs/ca-root-nss.crt",  # FreeBSD, DragonFly
    "/etc/openssl/certs/ca-certificates.crt",  # NetBSD
    "/etc/ssl/certs/ca-bundle.crt",  # NixOS
    "/opt/homebrew/etc/ca-certificates/cert.pem",  # Homebrew
    "/data/data/com.termux/files/usr/etc/tls/cert.pem",  # Termux
)
VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
_HASHED = re.compile(r"[0-9a-f]{8}\.[0-9]+")  # how OpenSSL finds a certificate in a folder


class NoRoots(ssl.SSLError):
    """Nobody's certificate could be believed. Its text is one line that names the variable to set."""

    def __str__(self) -> str:
        return str(self.args[0])


@cache
def tls_context() -> ssl.SSLContext:
    """One for all, and none where only `http` is spoken: the system's certificates are some MB. Raises `NoRoots`."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    paths = ssl.get_default_verify_paths()
    add_roots(context, os.environ, paths.capath, [*USUAL_FILES, *_certifi()])
    return context


def add_roots(
    context: ssl.SSLContext, environ: Mapping[str, str], folder: str | None, files: Sequence[str]
) -> str | None:
    """Fills an empty `context` from the first of `files` with a certificate in it, and returns its path; None where
    there are some already, in `context` or in the `folder` where OpenSSL looks. Raises `NoRoots`.

    What the operator names in one of `VARIABLES` is not replaced by anything else.
    """
    if context.cert_store_stats()["x509"] or (folder and _has_certificates(folder)):
        return None
    if named := [name for name in VARIABLES if environ.get(name)]:
        raise NoRoots(
            f"no certificate is where {' and '.join(named)} points: set SSL_CERT_FILE to a file of them (PEM)"
        )
    for file in files:
        try:
            context.load_verify_locations(file)
        except OSError:  # not there, or without a certificate
            continue
        if context.cert_store_stats()["x509"]:
            return file
    raise NoRoots("no certificate authorities are on this machine: set SSL_CERT_FILE to a file of them (PEM)")


def _has_certificates(folder: str) -> bool:
    try:
        return any(_HASHED.fullmatch(file.name) for file in Path(folder).iterdir())
    except OSError:
        return False


def _certifi() -> list[str]:
    """The file of the `certifi` package, where that is installed."""
    found = importlib.util.find_spec("certifi")
    folders = found.submodule_search_locations if found else None
    return [str(Path(folder) / "cacert.pem") for folder in folders or ()]
