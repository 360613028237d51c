"""`audit(e)` of the scenarios: a record appears where server admins read it."""

import asyncio
from typing import Any

from tests.scenarios.steps import Person

__all__ = ["audited"]

_PATIENCE = 10.0


async def audited(admin: Person, event: str, **fields: Any) -> Any:
    """The newest record of `event` whose fields equal `fields`; waits for it."""
    async with asyncio.timeout(_PATIENCE):
        while True:
            page = (await admin.get(f"/v1/admin/audit-logs?action={event}&limit=200")).ok()
            for record in page["audit_logs"]:
                if all(record[name] == value for name, value in fields.items()):
                    return record
            await asyncio.sleep(0.05)
