"""Whose certificates are believed: the system's, wherever this system keeps them."""

import importlib.util
import logging
import ssl
from pathlib import Path
from typing import Final

logger = logging.getLogger(__name__)

# Where systems keep them in one file, as Go's standard library looks (crypto/x509/root_linux.go, root_bsd.go), and
# macOS. A Python built elsewhere (a container's, conda's, uv's) has other places compiled in, often empty ones.
FILES: Final = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Arch, Alpine
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora, RHEL
    "/etc/ssl/ca-bundle.pem",  # openSUSE
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",  # RHEL 7
    "/etc/ssl/cert.pem",  # Alpine, macOS, OpenBSD
    "/usr/local/share/certs/ca-root-nss.crt",  # FreeBSD
)


def trusting_context(files: tuple[str, ...] = FILES) -> ssl.SSLContext:
    """A client's context. Where OpenSSL finds no authority where it looks, those of the first of `files` that has any
    count, else those of `certifi` if it is installed; else a line says what to set, and no server will be believed.
    """
    context = ssl.create_default_context()
    if _knows_any(context):
        return context
    for file in (*files, *_certifi()):
        try:
            context.load_verify_locations(cafile=file)
        except (OSError, ssl.SSLError):  # the latter: a file without any
            continue
        return context
    logger.warning("no certificate authorities were found: set SSL_CERT_FILE to a file that holds them")
    return context


def _knows_any(context: ssl.SSLContext) -> bool:
    """A folder is read only as certificates come, so what it holds is not counted yet."""
    folder = ssl.get_default_verify_paths().capath
    return context.cert_store_stats()["x509_ca"] > 0 or (folder is not None and any(Path(folder).iterdir()))


def _certifi() -> list[str]:
    if importlib.util.find_spec("certifi") is None:
        return []
    import certifi  # noqa: PLC0415  optional, and not there for everybody

    return [certifi.where()]
