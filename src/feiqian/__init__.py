"""feiqian 飞钱: mobile payments and embedded finance. Start at ARCHITECTURE.md."""

__version__ = "0.1.0"
