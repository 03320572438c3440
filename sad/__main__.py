"""``python -m sad`` is the command ``sad``."""

from sad.cli import main

if __name__ == "__main__":
    main()
