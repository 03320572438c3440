"""``python -m sad`` is the command ``sad``."""

from sad.cli import main

main()
