"""The gateway: the only part of a desktop that faces a network.

A browser comes in over HTTP and WebSocket behind a one-time link, a VNC client over RFB behind a one-time password; both are
carried to the viewer's unix socket. The process keeps nothing that must survive it: links, passwords and sessions are empty
files on a tmpfs, so that it can be started again at any moment without anyone noticing.
"""
