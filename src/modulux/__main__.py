"""`python -m modulux` and the `modulux` script."""

from __future__ import annotations


def main() -> None:
    """Run the command line."""
    from modulux.cli.main import main as run_command_line

    run_command_line()


if __name__ == "__main__":
    main()
