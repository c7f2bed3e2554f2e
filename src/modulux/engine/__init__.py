"""The engines: a small protocol, and Podman and Docker behind it."""
