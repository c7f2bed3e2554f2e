"""A computer that boots into containers: what its parts are made from."""
