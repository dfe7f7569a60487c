"""``frames``: greets with ``*``; ``^`` opens a frame, ``$`` ends it; inside, every byte comes back plus one (mod 256).

Bendersky's state machine ("Concurrent Servers", part 1). Rules of this file: bytes outside a frame are ignored; bytes
inside are answered as they come, without waiting for the end (``^`` is one of them: frames do not nest); a frame is a
request, counted when it ends, and what the half-close leaves open is none. A frame holds at most ``max_line`` bytes
between its ends: so many are answered, and the next is refused with one error line. The greeting matters: TCP answers
the handshake before the server accepts, so only a greeting shows how long a client waited to be *served*.
"""

from __future__ import annotations

from servers.protocols.lines import refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from servers.protocols.effects import Effects
    from servers.protocols.session import Limits

PLUS_ONE = bytes((byte + 1) % 256 for byte in range(256))


class Frames:
    """One client's frames. `pending` is true inside a frame."""

    __slots__ = ("_max_frame", "_room", "pending", "requests")

    def __init__(self, limits: Limits) -> None:
        self._max_frame = limits.max_line
        self._room = 0  # bytes that the open frame may still hold
        self.pending = False
        self.requests = 0

    def started(self) -> Effects:
        """Greet."""
        return (b"*",)

    def received(self, data: bytes) -> Effects:
        """Return the bytes of `data` that lie inside frames, each plus one."""
        inside: list[bytes] = []
        start = 0
        while self.pending or (start := self._open(data, start)):
            end = data.find(b"$", start)
            content = data[start:end] if end >= 0 else data[start:]
            inside.append(content[: self._room])
            if len(content) > self._room:
                return (b"".join(inside).translate(PLUS_ONE), *self._too_long())
            if end < 0:
                self._room -= len(content)
                break
            self.pending = False
            self.requests += 1
            start = end + 1
        answer = b"".join(inside).translate(PLUS_ONE)
        return (answer,) if answer else ()

    def ended(self) -> Effects:
        """Owe nothing: what was inside a frame has been answered."""
        return ()

    def _open(self, data: bytes, start: int) -> int:
        """Open the next frame and return where its content begins; 0 where none opens."""
        begin = data.find(b"^", start) + 1
        if begin:
            self.pending = True
            self._room = self._max_frame
        return begin

    def _too_long(self) -> Effects:
        return refusal(f"frame longer than {self._max_frame} bytes", "line-too-long")
