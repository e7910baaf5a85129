"""`python -m lianhua` is the command `lianhua`."""

from lianhua.server.cli import main

if __name__ == "__main__":
    main()
