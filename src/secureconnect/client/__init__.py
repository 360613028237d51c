"""The Python SDK: everything that a user can do, typed and asynchronous.

    async with Client("http://127.0.0.1:8080") as client:
        await client.auth.login(username="ann", password=password)
        async with client.chat() as chat:
            await chat.send(conversation_id, "Hello")
            async for event in chat.events():
                print(event.kind, event.data)

`Client` groups the HTTP calls (`client.users.me()`, `client.conversations.create_group(...)`), `Chat` is the
realtime side, `errors` is what can go wrong, `models` what the server gives, `state` a local copy of
conversations that events keep up to date. Nothing here imports the server.
"""

from secureconnect.client.client import Client
from secureconnect.client.cursors import CursorStore, FileCursors, MemoryCursors
from secureconnect.client.errors import (
    AccountLocked,
    ApiFailure,
    ClientError,
    Conflict,
    ConnectionLost,
    EmailVerificationRequired,
    Forbidden,
    InvalidCredentials,
    InvalidRequest,
    NotFound,
    NotLoggedIn,
    ProtocolError,
    RateLimited,
    ReauthRequired,
    SecondFactorRequired,
    SessionEnded,
    SocketClosed,
    TokenExpired,
    Unauthorized,
    Unavailable,
    WrongCode,
)
from secureconnect.client.feed import ConversationReset
from secureconnect.client.frames import (
    ConversationAdded,
    ConversationRemoved,
    ErrorFrame,
    GoingAway,
    MyStateFrame,
    OtherFrame,
    Receipt,
    SendAck,
    Typing,
)
from secureconnect.client.link import Incoming
from secureconnect.client.models import (
    AuthResult,
    Call,
    CallEntry,
    Conversation,
    Event,
    Message,
    Page,
    Presence,
    PublicUser,
    Settings,
    Tokens,
    User,
    walk,
)
from secureconnect.client.realtime import Chat
from secureconnect.client.reconnector import ConnectionChanged, ConnectionState
from secureconnect.client.retry import Backoff, RetryPolicy
from secureconnect.client.signaling import Signaling
from secureconnect.client.state import ConversationState, LocalState

__all__ = [
    "AccountLocked",
    "ApiFailure",
    "AuthResult",
    "Backoff",
    "Call",
    "CallEntry",
    "Chat",
    "Client",
    "ClientError",
    "Conflict",
    "ConnectionChanged",
    "ConnectionLost",
    "ConnectionState",
    "Conversation",
    "ConversationAdded",
    "ConversationRemoved",
    "ConversationReset",
    "ConversationState",
    "CursorStore",
    "EmailVerificationRequired",
    "ErrorFrame",
    "Event",
    "FileCursors",
    "Forbidden",
    "GoingAway",
    "Incoming",
    "InvalidCredentials",
    "InvalidRequest",
    "LocalState",
    "MemoryCursors",
    "Message",
    "MyStateFrame",
    "NotFound",
    "NotLoggedIn",
    "OtherFrame",
    "Page",
    "Presence",
    "ProtocolError",
    "PublicUser",
    "RateLimited",
    "ReauthRequired",
    "Receipt",
    "RetryPolicy",
    "SecondFactorRequired",
    "SendAck",
    "SessionEnded",
    "Settings",
    "Signaling",
    "SocketClosed",
    "TokenExpired",
    "Tokens",
    "Typing",
    "Unauthorized",
    "Unavailable",
    "User",
    "WrongCode",
    "walk",
]
