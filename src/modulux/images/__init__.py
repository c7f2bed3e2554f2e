"""Building the modules' images."""
