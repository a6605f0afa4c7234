"""Entry point of ``python -m malariafuse``."""

from malariafuse.cli import main

if __name__ == "__main__":
    main()
