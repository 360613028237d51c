"""Standing the failures of dependencies: breaker, bulkhead, timeout, retries within a budget.

One place for all adapters (docs/reference/operations.md §9).
"""
