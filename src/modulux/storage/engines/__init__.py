"""The engines whose data can be moved: how each is found, counted, stopped, started and tried."""
