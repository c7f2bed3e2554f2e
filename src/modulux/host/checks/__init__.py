"""One short file for each kind of thing that stops or slows an engine. Each check takes a `System` and gives findings."""
