"""Use cases of pushes: `devices` registers where they go, `queueing` lets them follow from what happened,
`delivering` hands them over, `receipts` tells what became of them.
"""

from secureconnect.features.push.service.delivering import Deliverer
from secureconnect.features.push.service.devices import Devices
from secureconnect.features.push.service.queueing import PushQueue
from secureconnect.features.push.service.receipts import Receipts

__all__ = ["Deliverer", "Devices", "PushQueue", "Receipts"]
