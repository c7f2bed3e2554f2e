"""Files on disk → modules → the plan. Pure."""
