"""The section about pushes."""

from typing import Annotated

from secureconnect.kit.settings import Section, about

__all__ = ["PushSettings"]


class PushSettings(Section, frozen=True):
    """Pushes to devices that are not connected. Web Push works as it is; FCM and APNs need credentials, and
    until either has them, pushes to their devices are written to `<data_dir>/push.jsonl`."""

    fcm_credentials: Annotated[
        str, about("the JSON of the Firebase service account that may send messages", secret=True)
    ] = ""
    apns_key: Annotated[str, about("the key for APNs (`.p8`, PEM)", secret=True)] = ""
    apns_key_id: Annotated[
        str, about("the id of that key", pattern=r"^$|^[A-Z0-9]{10}$", form="10 capitals and digits")
    ] = ""
    apns_team_id: Annotated[
        str,
        about(
            "the team that the key belongs to", pattern=r"^$|^[A-Z0-9]{10}$", form="10 capitals and digits"
        ),
    ] = ""
    apns_bundle_id: Annotated[str, about("the app that takes the pushes")] = ""
    apns_production: Annotated[bool, about("`false` for builds of the app that run in Apple's sandbox")] = (
        True
    )
    vapid_private_key: Annotated[
        str,
        about(
            "the key that Web Push knows this server by: base64url of the 32 raw bytes, or PEM. With another "
            "one, browsers have to subscribe anew",
            default="`<data_dir>/secrets/vapid_key`, made at the first start",
            secret=True,
        ),
    ] = ""
    vapid_subject: Annotated[
        str,
        about(
            "whom a push service may turn to about this server",
            default="`server.public_url` if that is https",
            pattern=r"^$|^mailto:[^@\s]+@[^@\s]+$|^https://[^/\s]+",
            form="mailto:address or https://…",
        ),
    ] = ""
    allow_private_endpoints: Annotated[
        bool, about("whether Web Push may go to addresses that are not public: push services of your own")
    ] = False
    suppress_when_online: Annotated[
        bool, about("no pushes of messages while a device of the user is online")
    ] = True
    max_tokens: Annotated[int, about("devices of one user that take pushes", ge=1, le=1000)] = 20
    max_age: Annotated[
        int,
        about("an undelivered push is given up after that; calls after 45 s", unit="s", ge=60, le=2_419_200),
    ] = 86_400
