"""`python -m lianhua` is the command `lianhua`."""

from lianhua.cli import main

if __name__ == "__main__":
    main()
