"""Making a module, and judging one."""
