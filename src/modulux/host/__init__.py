"""The host under Modulux: its own Python environment, its packages, its limits, and what stops an engine on it.

No names are gathered here: the bootstrap imports single modules of this package before anything is installed.
"""
