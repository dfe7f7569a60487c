"""How what went wrong is told: the kind that it is counted under, and one line of detail."""

from __future__ import annotations

import errno

from clients.records import Outcome

_BY_ERRNO = {
    errno.ECONNREFUSED: Outcome.REFUSED,
    errno.ENOENT: Outcome.REFUSED,  # a Unix socket that is not there
    errno.ETIMEDOUT: Outcome.CONNECT_TIMEOUT,
    errno.EADDRNOTAVAIL: Outcome.NO_PORT,
    errno.ECONNRESET: Outcome.RESET,
    errno.EPIPE: Outcome.RESET,
}


class UnreachableError(RuntimeError):
    """No address of the server could be connected to; `outcome` says why the last one could not."""

    def __init__(self, outcome: Outcome, detail: str) -> None:
        super().__init__(detail)
        self.outcome = outcome


class TlsError(OSError):
    """What TLS found wrong, told apart from the errors of the system; the message is for the user."""

    def __init__(self, outcome: Outcome, detail: str) -> None:
        super().__init__(detail)
        self.outcome = outcome


class WrongAnswerError(Exception):
    """What arrived is not the answer that was due: the kind of fault, and one line of detail.

    `extra` is what came after a whole right answer, where that was the fault: with requests behind this one, it is the
    beginning of the next answer.
    """

    def __init__(self, outcome: Outcome, detail: str, extra: bytes = b"") -> None:
        super().__init__(detail)
        self.outcome, self.extra = outcome, extra


def outcome_of(error: OSError) -> Outcome:
    """The outcome of a request or a connection that `error` ended."""
    if isinstance(error, TlsError):
        return error.outcome
    if isinstance(error, TimeoutError):
        return Outcome.CONNECT_TIMEOUT
    return _BY_ERRNO.get(error.errno or 0, Outcome.UNREACHABLE)


def detail_of(error: OSError) -> str:
    """The system's words for `error`."""
    return error.strerror or str(error)


def difference(answer: bytes, begin: int, data: bytes) -> WrongAnswerError:
    """Say how `data`, which arrived from byte `begin` of the answer on, differs from the right `answer`."""
    rest = answer[begin : begin + len(data)]
    if len(data) > len(rest) and data.startswith(rest):
        return too_much(data[len(rest) :], "the whole answer")
    pairs = zip(rest, data, strict=False)
    at = next((index for index, (right, got) in enumerate(pairs) if right != got), len(rest))
    got, right = data[at : at + 100], rest[at : at + 20]
    return WrongAnswerError(Outcome.WRONG_BYTES, f"byte {begin + at} of {len(answer)}: {got!r} where {right!r} was due")


def too_much(extra: bytes, what: str) -> WrongAnswerError:
    """Say that bytes came after `what`, which was right."""
    return WrongAnswerError(Outcome.EXTRA_BYTES, f"{len(extra)} bytes after {what}: {extra[:60]!r}", extra)
