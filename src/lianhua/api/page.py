"""The built web page, read once into memory and sent as it lies there: compressed at build time, hashed names for
ever.
"""

import hashlib
import mimetypes
from pathlib import Path
from typing import Final, NamedTuple

from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from lianhua.api.deps import Visitor

router = APIRouter(include_in_schema=False)

ENCODINGS: Final = (("br", ".br"), ("gzip", ".gz"))  # best first
FOR_EVER: Final = "public, max-age=31536000, immutable"
CHECK_FIRST: Final = "no-cache"
# Swagger UI knows no Trusted Types. It shows our own document only, and nothing that a person or a model wrote.
DOCS_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)
NOT_BUILT: Final = "The web page is not built. From a checkout: make install.\n"


class Form(NamedTuple):
    """One file in one encoding."""

    body: bytes
    etag: str


class Page:
    """Every file of the page by its path, each with its compressed forms."""

    def __init__(self, folder: Path) -> None:
        self._files: dict[str, tuple[str, dict[str, Form]]] = {}
        if not folder.is_dir():
            return
        suffixes = tuple(suffix for _, suffix in ENCODINGS)
        for file in sorted(folder.rglob("*")):
            if file.is_file() and not file.name.startswith(".") and not file.name.endswith(suffixes):
                forms = {"identity": _form(file)}
                for encoding, suffix in ENCODINGS:
                    compressed = file.with_name(file.name + suffix)
                    if compressed.is_file():
                        forms[encoding] = _form(compressed)
                self._files[file.relative_to(folder).as_posix()] = (_media_type(file), forms)

    def response(self, path: str, request: Request) -> Response:
        """The file in the best form that the browser takes; 304 where it has it already."""
        if path not in self._files:
            if not self._files:
                return Response(NOT_BUILT, 503, media_type="text/plain")
            raise HTTPException(404)
        media_type, forms = self._files[path]
        accepted = {part.partition(";")[0].strip() for part in request.headers.get("accept-encoding", "").split(",")}
        encoding = next((name for name, _ in ENCODINGS if name in accepted and name in forms), "identity")
        form = forms[encoding]
        headers = {
            "Cache-Control": FOR_EVER if path.startswith("assets/") else CHECK_FIRST,
            "ETag": form.etag,
            "Vary": "Accept-Encoding",
        }
        if request.headers.get("if-none-match") == form.etag:
            return Response(status_code=304, headers=headers)
        if encoding != "identity":
            headers["Content-Encoding"] = encoding
        return Response(form.body, headers=headers, media_type=media_type)


def _form(file: Path) -> Form:
    body = file.read_bytes()
    return Form(body, f'"{hashlib.sha256(body).hexdigest()[:20]}"')


def _media_type(file: Path) -> str:
    known = {".js": "text/javascript", ".webmanifest": "application/manifest+json", ".woff2": "font/woff2"}
    return known.get(file.suffix) or mimetypes.guess_type(file.name)[0] or "application/octet-stream"


@router.get("/")
async def index(request: Request, visitor: Visitor) -> Response:
    """The page. In open mode it comes with the cookie, so that what it asks for next, all at once, is asked by one
    user.
    """
    page: Page = request.app.state.page
    return page.response("index.html", request)


@router.get("/assets/{name:path}")
async def asset(name: str, request: Request) -> Response:
    page: Page = request.app.state.page
    return page.response(f"assets/{name}", request)


@router.get("/docs")
async def docs(request: Request) -> Response:
    """The documentation of the API, drawn from /openapi.json."""
    page: Page = request.app.state.page
    response = page.response("docs.html", request)
    response.headers["Content-Security-Policy"] = DOCS_SECURITY_POLICY
    return response
