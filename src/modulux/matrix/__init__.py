"""Every display, session and viewer that fit together, started and judged as a person would."""
