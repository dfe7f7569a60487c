"""The date of an HTTP answer, from a number: ``email.utils`` and ``datetime`` are memory that a fork copies."""

from __future__ import annotations

DAYS = (b"Sun", b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat")
# A year that begins in March ends with its leap day, if it has one: so the months have a formula.
MONTHS = (b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec", b"Jan", b"Feb")
DAYS_TO_EPOCH = 719468  # from 1 March of the year 0 to 1 January 1970, a Thursday
DAYS_IN_ERA = 146097  # 400 years, after which the calendar repeats


def imf_fixdate(seconds: float) -> bytes:
    """Return `seconds` since the epoch as ``Sun, 06 Nov 1994 08:49:37 GMT`` (RFC 9110, section 5.6.7)."""
    days, second = divmod(int(seconds), 86400)
    year, month, day = _civil(days)
    minute, second = divmod(second, 60)
    hour, minute = divmod(minute, 60)
    return b"%s, %02d %s %04d %02d:%02d:%02d GMT" % (
        DAYS[(days + 4) % 7], day, MONTHS[month], year, hour, minute, second,
    )  # fmt: skip


def _civil(days: int) -> tuple[int, int, int]:
    """Return year, index into MONTHS and day of the month (Hinnant, "chrono-Compatible Low-Level Date Algorithms")."""
    era, day_of_era = divmod(days + DAYS_TO_EPOCH, DAYS_IN_ERA)
    year = (day_of_era - day_of_era // 1460 + day_of_era // 36524 - day_of_era // 146096) // 365
    day_of_year = day_of_era - (365 * year + year // 4 - year // 100)
    month = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * month + 2) // 5 + 1
    return era * 400 + year + (month >= 10), month, day
