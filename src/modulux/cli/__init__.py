"""The command line: one file a verb, which parses, acts and shows."""
