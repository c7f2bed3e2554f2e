"""Desktops that run: up, down, looking at them, getting in."""
