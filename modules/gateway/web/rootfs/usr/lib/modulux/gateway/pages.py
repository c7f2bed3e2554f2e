"""What the gateway shows: the viewer's page, its scripts and noVNC's, and the page for those who may not come in."""

from __future__ import annotations

import base64
import hashlib
import html
from string import Template

from gateway.settings import Settings

_TYPES = {".css": "text/css", ".html": "text/html", ".js": "text/javascript", ".svg": "image/svg+xml"}

SAFE = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}
"""Headers of every answer."""

_POLICY = (
    "default-src 'none'; script-src 'self' {script}; style-src 'self'; connect-src 'self'; img-src 'self' data: blob:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class Answer:
    """A page: status, body and headers."""

    def __init__(self, status: int, body: bytes = b"", kind: str = "text/plain", **headers: str) -> None:
        self.status = status
        self.body = body
        self.headers = {**SAFE, "Content-Type": f"{kind}; charset=utf-8", "Cache-Control": "no-store"}
        self.headers.update((name.replace("_", "-"), value) for name, value in headers.items())


class Pages:
    """The files there are, found once; only these can be asked for, so no path leads anywhere else."""

    def __init__(self, settings: Settings) -> None:
        files = {f"desktop/{path.name}": path for path in settings.pages.glob("*.*") if path.suffix != ".html"}
        for part in ("core", "vendor"):
            files.update((f"novnc/{path.relative_to(settings.novnc)}", path) for path in settings.novnc.glob(f"{part}/**/*.js"))
        # The path holds a stamp of all files, so that browsers may keep them for ever and still never mix two versions.
        stamp = repr([(name, path.stat().st_size, path.stat().st_mtime_ns) for name, path in sorted(files.items())])
        self.base = f"/static/{hashlib.sha256(stamp.encode()).hexdigest()[:12]}"
        self.files = {f"{self.base}/{name}": path for name, path in files.items()}
        self.index = self._index(settings)
        self.forbidden = self._forbidden(settings)

    def file(self, path: str) -> Answer | None:
        """The file that is served at `path`; None when there is none."""
        file = self.files.get(path)
        if file is None:
            return None
        kind = _TYPES.get(file.suffix, "application/octet-stream")
        return Answer(200, file.read_bytes(), kind, Cache_Control="private, max-age=31536000, immutable")

    def _index(self, settings: Settings) -> Answer:
        # Naming every script at once saves the browser from finding them one import after the other.
        scripts = sorted(path for path in self.files if path.endswith(".js"))
        values = {
            "desktop": html.escape(settings.desktop),
            "base": self.base,
            "quality": settings.quality,
            "compression": settings.compression,
            "preload": "\n".join(f'<link rel="modulepreload" href="{path}">' for path in scripts),
        }
        text = Template((settings.pages / "index.html").read_text()).substitute(values)
        return Answer(200, text.encode(), "text/html", Content_Security_Policy=_POLICY.format(script=_hash(text, "script")))

    def _forbidden(self, settings: Settings) -> Answer:
        text = Template((settings.pages / "forbidden.html").read_text()).substitute(desktop=html.escape(settings.desktop))
        # This page is for strangers, to whom no file is served: its style is within it, and allowed by its hash.
        style = _hash(text, "style")
        policy = f"default-src 'none'; style-src {style}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        return Answer(403, text.encode(), "text/html", Content_Security_Policy=policy)


def _hash(page: str, element: str) -> str:
    """What a policy allows the page's one such element with, whose content is in the page itself."""
    content = page.partition(f"<{element}>")[2].partition(f"</{element}>")[0]
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"
