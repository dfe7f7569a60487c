"""What is said: sans-I/O sessions, bytes in, effects out (no socket, no clock, no thread).

`session` tells the seam, `effects` what a session may ask of a server, `lines` cuts a stream. The protocols: `echo`,
`upper`, `work`, `frames`, and `http` with `http_framing`, `http_routes`, `http_answers` and `http_date`.
"""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from servers.protocols.session import NewSession

# name -> (class in the module of that name, what it says in one line); nothing is imported until it is chosen.
PROTOCOLS = {
    "echo": ("Echo", "a line comes back as it was"),
    "upper": ("Upper", "a stream of UTF-8 comes back in upper case, chunk by chunk"),
    "work": ("Work", "SIZE [sleep=SECONDS] [cpu=SECONDS] is answered with SIZE bytes"),
    "frames": ("Frames", "greets with *; between ^ and $, every byte comes back plus one"),
    "http": ("Http", "HTTP/1.1: GET /, /echo, /upper, /work?size=&sleep=&cpu="),
}

DATAGRAM_PROTOCOLS = ("echo", "upper")  # in which a datagram can be a whole conversation


def load(name: str) -> NewSession:
    """Return what makes a session of the protocol called `name`, from its limits. Raise KeyError for an unknown one."""
    class_name, _ = PROTOCOLS[name]
    new_session: NewSession = getattr(import_module(f"servers.protocols.{name}"), class_name)
    return new_session
