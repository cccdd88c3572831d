"""The version of the package, for the program and for the build."""

__version__ = "0.1.0"
