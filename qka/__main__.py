"""`python -m qka` and the `qka` command."""

from qka.cli.main import main

if __name__ == "__main__":
    main()
