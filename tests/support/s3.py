"""A server of S3's protocol, as little of it as restic speaks: one user, whose signature is checked, and objects as files.

`python -m tests.support.s3 FOLDER PORT KEY`, and S3_SECRET in its environment.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import sys
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import MappingProxyType
from urllib.parse import parse_qsl, quote, unquote, urlsplit
from xml.sax.saxutils import escape


class Handler(BaseHTTPRequestHandler):
    """One request; a bucket is a folder below `folder`."""

    protocol_version = "HTTP/1.1"
    folder = Path()
    key = secret = ""

    def log_message(self, format: str, *args: object) -> None:
        return

    def answer(self, status: int, content: bytes = b"", headers: Mapping[str, str] = MappingProxyType({})) -> None:
        self.send_response(status)
        for name, value in {"content-length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def wrong(self, status: int, code: str) -> None:
        self.answer(status, f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode())

    def signed(self) -> bool:
        """Whether the request carries the user's signature, version 4."""
        found = re.match(
            r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d+)/([^/]+)/s3/aws4_request, ?SignedHeaders=([^,]+), ?Signature=(\w+)",
            self.headers.get("authorization", ""),
        )
        if not found or found[1] != self.key:
            return False
        day, region, names, signature = found[2], found[3], found[4].split(";"), found[5]
        parts = urlsplit(self.path)
        query = "&".join(
            f"{quote(k, safe='-_.~')}={quote(v, safe='-_.~')}"
            for k, v in sorted(parse_qsl(parts.query, keep_blank_values=True))
        )
        headers = "".join(f"{name}:{' '.join((self.headers.get(name) or '').split())}\n" for name in names)
        lines = [self.command, parts.path, query, headers, ";".join(names), self.headers["x-amz-content-sha256"]]
        scope = f"{day}/{region}/s3/aws4_request"
        text = "\n".join(
            ["AWS4-HMAC-SHA256", self.headers["x-amz-date"], scope, hashlib.sha256("\n".join(lines).encode()).hexdigest()]
        )
        secret = f"AWS4{self.secret}".encode()
        for word in (day, region, "s3", "aws4_request"):
            secret = hmac.digest(secret, word.encode(), "sha256")
        return hmac.compare_digest(hmac.digest(secret, text.encode(), "sha256").hex(), signature)

    def body(self) -> bytes:
        """What was sent, without the frames of a signature for each piece."""
        data = self.rfile.read(int(self.headers.get("content-length") or 0))
        if not self.headers.get("x-amz-content-sha256", "").startswith("STREAMING-"):
            return data
        whole, at = b"", 0
        while True:
            end = data.index(b"\r\n", at)
            size = int(data[at:end].split(b";")[0], 16)
            if not size:
                return whole
            whole += data[end + 2 : end + 2 + size]
            at = end + 2 + size + 2

    def serve(self) -> None:
        data = self.body()
        if not self.signed():
            self.wrong(403, "SignatureDoesNotMatch" if self.headers.get("authorization") else "AccessDenied")
            return
        parts = urlsplit(self.path)
        bucket, _, name = unquote(parts.path).strip("/").partition("/")
        place = self.folder / bucket
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        if name:
            self.object(place / name.replace("/", "%"), data)
        elif self.command == "PUT":
            place.mkdir(exist_ok=True)
            self.answer(200)
        elif not place.is_dir():
            self.wrong(404, "NoSuchBucket")
        elif "location" in query:
            self.answer(200, b"<LocationConstraint></LocationConstraint>")
        elif self.command == "HEAD":
            self.answer(200)
        else:
            self.answer(200, self.listed(place, query))

    def listed(self, place: Path, query: dict[str, str]) -> bytes:
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        items, folders = "", set()
        for path in sorted(place.iterdir()):
            name = path.name.replace("%", "/")
            if not name.startswith(prefix) or name.endswith(".new"):
                continue
            rest = name.removeprefix(prefix)
            if delimiter and delimiter in rest:
                folders.add(prefix + rest.split(delimiter)[0] + delimiter)
            else:
                items += (
                    f"<Contents><Key>{escape(name)}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
                    f"<ETag>&quot;0&quot;</ETag><Size>{path.stat().st_size}</Size></Contents>"
                )
        items += "".join(f"<CommonPrefixes><Prefix>{escape(f)}</Prefix></CommonPrefixes>" for f in sorted(folders))
        return f"<ListBucketResult><IsTruncated>false</IsTruncated>{items}</ListBucketResult>".encode()

    def object(self, path: Path, data: bytes) -> None:
        etag = {"etag": '"0"', "last-modified": "Thu, 01 Jan 2026 00:00:00 GMT"}
        if self.command == "PUT":
            new = path.with_name(path.name + ".new")
            new.write_bytes(data)
            new.replace(path)
            self.answer(200, headers=etag)
        elif self.command == "DELETE":
            path.unlink(missing_ok=True)
            self.answer(204)
        elif not path.is_file():
            self.wrong(404, "NoSuchKey")
        elif self.command == "HEAD":
            self.send_response(200)
            for key, value in {"content-length": str(path.stat().st_size), **etag}.items():
                self.send_header(key, value)
            self.end_headers()
        else:
            content = path.read_bytes()
            found = re.match(r"bytes=(\d+)-(\d*)", self.headers.get("range") or "")
            if not found:
                self.answer(200, content, etag)
                return
            first, last = int(found[1]), int(found[2] or len(content) - 1)
            part = content[first : last + 1]
            where = f"bytes {first}-{first + len(part) - 1}/{len(content)}"
            self.answer(206, part, {"content-range": where, **etag})

    do_GET = do_PUT = do_HEAD = do_DELETE = serve  # noqa: N815


if __name__ == "__main__":
    Handler.folder, Handler.key, Handler.secret = Path(sys.argv[1]), sys.argv[3], os.environ["S3_SECRET"]
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), Handler).serve_forever()
