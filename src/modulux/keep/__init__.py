"""Keeping desktops: snapshots of a whole desktop by restic, and what can be done with them."""
