"""What reports contribute."""

from secureconnect.edge.http.paging import Paging
from secureconnect.edge.module import Module
from secureconnect.features.reports.http import routes
from secureconnect.features.reports.service import ReportService
from secureconnect.kit.pagination import Cursors

__all__ = ["module"]


def module(service: ReportService, cursors: Cursors) -> Module:
    """Reports of users, and their resolution."""
    return Module(name="reports", role="auth", routes=routes(service, Paging(cursors)))
