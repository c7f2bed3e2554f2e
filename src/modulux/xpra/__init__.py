"""The client's side of Xpra's protocol, as far as looking at a whole screen and using it needs it."""

from modulux.xpra.client import XpraClient

__all__ = ["XpraClient"]
