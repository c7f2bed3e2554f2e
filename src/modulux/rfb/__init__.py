"""The client's side of RFB 3.8: pictures of a desktop, keys and pointer to it, over any stream of bytes."""

from modulux.rfb.client import Client
from modulux.rfb.drawn import wait_drawn
from modulux.rfb.framebuffer import Rect
from modulux.rfb.picture import Area, Drawn, Picture
from modulux.rfb.stream import FdStream, RfbTimeoutError, Stream, open_pipe, open_tcp, open_unix

__all__ = [
    "Area",
    "Client",
    "Drawn",
    "FdStream",
    "Picture",
    "Rect",
    "RfbTimeoutError",
    "Stream",
    "open_pipe",
    "open_tcp",
    "open_unix",
    "wait_drawn",
]
