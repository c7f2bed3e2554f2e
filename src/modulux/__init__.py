"""Modulux: a whole Linux in containers, one for each part of it, with only the kernel underneath."""

__version__ = "0.1.0"
