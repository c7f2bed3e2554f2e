"""Carrying a desktop elsewhere: one file, a registry, or the manifests of another system."""
