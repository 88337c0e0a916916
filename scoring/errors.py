"""What a station may refuse, and the HTTP status that says so. Messages are for people."""

from __future__ import annotations


class StationError(Exception):
    """A station refused. ``code`` is stable for programs, the message is for people."""

    status = 400
    code = "refused"

    def __init__(self, message: str, *, code: str = "") -> None:
        super().__init__(message)
        self.code = code or type(self).code


class BadInputError(StationError):
    """The input cannot be used; nothing was written."""

    status = 422
    code = "bad_input"


class TooLargeError(StationError):
    """More than the site takes at once; nothing was written."""

    status = 413
    code = "too_large"


class NotAllowedError(StationError):
    """The person has not the role for this."""

    status = 403
    code = "not_allowed"


class NotThereError(StationError):
    """No such thing, or not for this person."""

    status = 404
    code = "not_found"


class ConflictError(StationError):
    """The world moved on: somebody else was first, or the lease ran out."""

    status = 409
    code = "conflict"


class NotReadyError(StationError):
    """Not now: something that comes by itself is not there yet."""

    status = 503
    code = "not_ready"
