"""HTML pages in a single file."""

import hashlib
from base64 import b64encode
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

_TEMPLATES = Path(__file__).with_name("templates")


def environment(folder: Path) -> Environment:
    """Return the environment of the templates in a folder and of shared templates."""
    return Environment(
        loader=FileSystemLoader([folder, _TEMPLATES]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def style_sheet(*files: Path) -> str:
    """Return the shared style sheet with the given files appended."""
    shared = _TEMPLATES / "page.css"
    return "\n".join(file.read_text(encoding="utf-8") for file in (shared, *files))


def digest(text: str) -> str:
    """Return the digest of a script or style for the content security policy."""
    return b64encode(hashlib.sha256(text.encode()).digest()).decode()
