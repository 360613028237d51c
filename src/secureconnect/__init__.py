"""SecureConnect: a self-hosted server for secure real-time communication."""

__all__ = ["__version__"]

__version__ = "0.1.0"
