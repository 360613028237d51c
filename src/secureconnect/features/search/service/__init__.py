"""The use cases: searching, and keeping the index up to date."""

from secureconnect.features.search.service.feeding import Feeder
from secureconnect.features.search.service.searching import SearchPage, SearchRequest, SearchService

__all__ = ["Feeder", "SearchPage", "SearchRequest", "SearchService"]
