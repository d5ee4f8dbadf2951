"""``python -m tacitlab`` is the command ``tacit``."""

from tacitlab.cli import main

if __name__ == "__main__":
    main()
