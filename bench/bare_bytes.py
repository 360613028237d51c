"""The least that moving an object costs: one socket, one file, no protocol to speak of.

`python -m bench.bare_bytes` serves on a free port of the loopback and prints it. A connection says
`PUT <size> <path>` or `GET <path>` in a line, then the bytes follow; a PUT is answered once it is synced.
"""

import os
import socket

__all__: list[str] = []

_PIECE = 1 << 20


def _serve(connection: socket.socket) -> None:
    with connection, connection.makefile("rb", buffering=0) as lines:
        words = lines.readline().split()
        if words[0] == b"PUT":
            _receive(connection, int(words[1]), words[2])
            connection.sendall(b"ok\n")
        else:
            with open(words[1], "rb") as file:  # noqa: PTH123
                connection.sendfile(file)


def _receive(connection: socket.socket, left: int, path: bytes) -> None:
    piece = memoryview(bytearray(_PIECE))
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    while left:
        received = connection.recv_into(piece, min(left, _PIECE))
        os.write(descriptor, piece[:received])
        left -= received
    os.fsync(descriptor)
    os.close(descriptor)


def main() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    while True:
        _serve(listener.accept()[0])


if __name__ == "__main__":
    main()
