"""The RFB server for VNC clients: VncAuth with one-time passwords and nothing else, then the viewer's own stream."""

from __future__ import annotations

import asyncio
import hmac
import secrets

from gateway.log import say
from gateway.relay import BROKEN, Slots, pump, until_either_ends
from gateway.screens import Connection, Screens, Viewer, ViewerError
from gateway.settings import Settings
from gateway.store import Store
from gateway.viewer import shake_hands

_VNC_AUTH = b"\x02"
_BURN_AT = 5  # failures after which every password that waits is void
_LONGEST_DELAY = 8.0  # seconds


class RefusedError(Exception):
    """The client may not come in; the message is for the client."""


class VncServer:
    """Answers VNC clients. Owns the one-time passwords and the count of failures."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.screens = Screens(settings)
        self.passwords = Store(settings.state / "passwords", settings.link_lifetime)
        self.slots = Slots(settings.connections)
        self.failures = 0  # while a password was waiting, since the last success or burning
        self.streak = 0  # since the last success

    async def start(self) -> asyncio.Server:
        """Listen. Raises OSError when the port cannot be had."""
        return await asyncio.start_server(self.serve, self.settings.listen, self.settings.vnc_port, limit=1 << 18)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client, from its greeting to its end."""
        peer = writer.get_extra_info("peername")
        try:
            if self.slots.full:
                say("vnc refused", peer=peer, reason="too many connections")
                return
            with self.slots:
                await self._serve(reader, writer, peer)
        except RefusedError as refusal:
            say("vnc refused", peer=peer, reason=refusal)
        except ViewerError as error:
            say("vnc failed", peer=peer, reason=error)
        except BROKEN as error:
            say("vnc ended early", peer=peer, reason=type(error).__name__)
        finally:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, peer: object) -> None:
        minor = await asyncio.wait_for(self._greet(reader, writer), self.settings.timeout)
        challenge = secrets.token_bytes(16)
        writer.write(challenge)
        # The person types the password now, so this may take longer than everything else.
        answer = await asyncio.wait_for(reader.readexactly(16), self.settings.password_timeout)
        try:
            viewer, upstream = await self._enter(challenge, answer)
        except (RefusedError, ViewerError) as error:
            reason = str(error).encode()
            writer.write(b"\0\0\0\x01" + (len(reason).to_bytes(4) + reason if minor == 8 else b""))
            await asyncio.wait_for(writer.drain(), self.settings.timeout)
            raise
        try:
            writer.write(bytes(4))
            say("vnc connected", peer=peer)
            await self._carry((reader, writer), viewer, upstream)
            say("vnc disconnected", peer=peer)
        finally:
            upstream[1].close()

    async def _carry(self, client: Connection, viewer: Viewer, upstream: Connection) -> None:
        """Carry until either side ends it, with the screen's clipboard where there is one."""
        if viewer.own_clipboard or self.screens.beside(self.settings.clipboard, viewer.screen) is None:
            await until_either_ends(pump(client[0], upstream[1]), pump(upstream[0], client[1]))
            return
        from gateway.cuttext import CutText  # noqa: PLC0415  not every desktop has a clipboard of its own

        await CutText(client, upstream, lambda: self.screens.clipboard(viewer.screen), viewer.view_only).carry()

    async def _greet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> int:
        """Agree on a version and on VncAuth; returns RFB's minor version: 3, 7 or 8."""
        writer.write(b"RFB 003.008\n")
        greeting = await reader.readexactly(12)
        if not greeting.startswith(b"RFB 003.") or not greeting[8:11].isdigit():
            raise RefusedError("not an RFB client")
        minor = int(greeting[8:11])
        if minor < 7:
            writer.write(_VNC_AUTH.rjust(4, b"\0"))
            return 3
        writer.write(b"\x01" + _VNC_AUTH)
        if await reader.readexactly(1) != _VNC_AUTH:
            raise RefusedError("asked for a security type that was not offered")
        return min(minor, 8)

    async def _enter(self, challenge: bytes, answer: bytes) -> tuple[Viewer, Connection]:
        """Check the answer, take the password it belongs to, and open the viewer. Raises RefusedError, ViewerError."""
        password = self._match(challenge, answer)
        if password is None:
            await self._punish()
            raise RefusedError("wrong password. A password works once: get a new one with `modulux open`")
        self.failures = self.streak = 0
        viewer, (reader, writer) = await self.screens.reach()
        try:
            await asyncio.wait_for(shake_hands(reader, writer), self.settings.timeout)
            if not self.passwords.take(password):
                raise RefusedError("this password was used a moment ago")
        except BROKEN as error:
            writer.close()
            raise ViewerError("the viewer ended the connection") from error
        except BaseException:
            writer.close()
            raise
        return viewer, (reader, writer)

    def _match(self, challenge: bytes, answer: bytes) -> str | None:
        """The password that `answer` was made with. All are tried each time, so that the time says nothing."""
        from gateway.vncauth import response  # noqa: PLC0415  loads ctypes and libnettle, only now needed

        found = None
        for password in self.passwords.live():
            if hmac.compare_digest(response(password, challenge), answer):
                found = password
        return found

    async def _punish(self) -> None:
        self.streak += 1
        self.failures += bool(self.passwords.live())
        delay = min(self.settings.failure_delay * 2 ** min(self.streak - 1, 10), _LONGEST_DELAY)
        if self.failures >= _BURN_AT:
            self.passwords.clear()
            say("vnc passwords burnt", failures=self.failures)
            self.failures = 0
        await asyncio.sleep(delay)
