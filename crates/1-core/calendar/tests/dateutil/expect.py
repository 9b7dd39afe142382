"""What python-dateutil says about windows, as JSON lines: every zone, every clock change, many rules.

Usage: expect.py ZONEINFO-FOLDER [shapes] < names of zones. Standard library and python-dateutil only. Recurrences are dateutil's,
zones are Python's own reader of the same zone data (dateutil's stops at 2037). Two things differ by design (D-0014) and
are worked out here by bisection instead: a start that clocks skip opens at the first moment after the gap (dateutil's
resolve_imaginary moves it on by the gap's length), and a length is real time, cut where the window opens again.
"""
import datetime as clock
import functools
import json
import os
import random
import struct
import sys
import zoneinfo
from datetime import datetime, timedelta, timezone

from dateutil import rrule, tz as dtz

FOLDER = sys.argv[1]
zoneinfo.reset_tzpath([FOLDER])
EPOCH = datetime(1970, 1, 1)
UTC = timezone.utc
FIRST, LAST = 631152000, 2240611200  # 1990-01-01, 2041-01-01
DAYS = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"]
# dateutil looks for a rule that never matches until this year: let it give up earlier.
clock.MAXYEAR = 2045
SECOND = timedelta(seconds=1)


def naive(seconds):
    return EPOCH + timedelta(seconds=seconds)


def unix(moment):
    return int(moment.replace(tzinfo=UTC).timestamp()) if moment.tzinfo is None else int(moment.timestamp())


def offset(zone, seconds):
    return int(zone.utcoffset(datetime.fromtimestamp(seconds, UTC).astimezone(zone)).total_seconds())


def by_rule(zone, low):
    """Moments behind the table, where a rule of the year says when clocks change (a footer without a comma has none).

    The first 380 days are looked at day by day: each change of a year and a week is among them. The rule is the same in every later one, and what it names (a day of the year, or
    the so-manieth weekday of a month) is never further than a week from where it was: the other days are passed over.
    """
    start, days = low, set()
    while low < LAST:
        year = naive(low).year
        day = (naive(low) - datetime(year, 1, 1)).days
        if low - start > 380 * 86400 and not any(min((day - known) % 366, (known - day) % 366) <= 9 for known in days):
            low += 86400
            continue
        a, b = low, low + 86400
        before = offset(zone, a)
        if offset(zone, b) != before:
            while b - a > 1:
                middle = (a + b) // 2
                a, b = (middle, b) if offset(zone, middle) == before else (a, middle)
            days.add(day)
            yield b
        low += 86400


def transitions(name, zone):
    """Moments from 1990 to 2040 at which the offset changes, as (moment, before, after)."""
    with open(os.path.join(FOLDER, name), "rb") as file:
        data = file.read()
    counts = struct.unpack(">6l", data[20:44])
    skip = 44 + counts[3] * 5 + counts[4] * 6 + counts[5] + counts[2] * 8 + counts[1] + counts[0]
    many = struct.unpack(">6l", data[skip + 20:skip + 44])[3]
    times = struct.unpack(f">{many}q", data[skip + 44:skip + 44 + 8 * many])
    moments = {at for at in times if FIRST <= at < LAST}
    low = max([FIRST] + [at for at in times if at < LAST])
    moments.update(by_rule(zone, low) if b"," in data[data.rindex(b"\n", 0, -1):] else [])
    for at in sorted(moments):
        before, after = offset(zone, at - 1), offset(zone, at)
        if before != after:
            yield at, before, after


def opens(start, zone):
    """The moment at which a window opens whose local time is `start`."""
    local = start.replace(tzinfo=zone)
    at = int(local.timestamp())
    # There and back, as dateutil's datetime_exists does, with fewer copies.
    if datetime.fromtimestamp(at, zone).replace(tzinfo=None) == start:
        return at
    assert not dtz.datetime_exists(local)
    low = unix(start) - int(dtz.enfold(local, 1).utcoffset().total_seconds())
    high = unix(start) - int(dtz.enfold(local, 0).utcoffset().total_seconds())
    assert low < high
    if offset(zone, low - 1) == offset(zone, high):
        raise AssertionError(f"{start} is not skipped in {zone}")
    before = offset(zone, low)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if offset(zone, middle) == before else (low, middle)
    assert unix(dtz.resolve_imaginary(local).astimezone(UTC)) >= high
    return high


@functools.lru_cache(maxsize=None)
def recurrence(text, first):
    """Local times, which many zones share."""
    return list(rrule.rrulestr(text, dtstart=first))


def openings(starts, zone, minutes, last=None):
    spans = []
    for start in starts:
        at = opens(start, zone)
        if last is not None and at > last:
            break
        if spans:
            spans[-1][1] = min(spans[-1][1], at)
            if spans[-1][1] <= spans[-1][0]:
                spans.pop()
        spans.append([at, at + minutes * 60])
    return spans


def say(name, start, rule, minutes, spans):
    line = {"zone": name, "starts": start.isoformat(), "rule": rule, "minutes": minutes, "openings": spans}
    sys.stdout.write(json.dumps(line, separators=(",", ":")) + "\n")


def rules(day, at):
    """Rules that open on `day`, each with how many days before it starts; all end soon, so that all of them is compared."""
    name = DAYS[day.weekday()]
    nth = (day.day - 1) // 7 + 1
    yield "FREQ=DAILY;COUNT=7", 3, None
    yield f"FREQ=WEEKLY;COUNT=4;BYDAY={name}", 14, None
    yield f"FREQ=WEEKLY;INTERVAL=2;COUNT=6;WKST=SU;BYDAY=SU,{DAYS[day.weekday()]}", 29, None
    yield f"FREQ=MONTHLY;COUNT=3;BYDAY={nth}{name}", 45, None
    yield f"FREQ=MONTHLY;COUNT=4;BYDAY={name};BYSETPOS=-1", 70, None
    yield f"FREQ=YEARLY;COUNT=3;BYMONTH={day.month};BYMONTHDAY={day.day}", 370, None
    yield "FREQ=DAILY;UNTIL=" + naive(at).strftime("%Y%m%dT%H%M%SZ"), 4, at
    yield "FREQ=DAILY;INTERVAL=1;UNTIL=" + (day + timedelta(days=2)).strftime("%Y%m%d"), 2, None


def around(name, zone, turn):
    """Windows whose starts fall into, beside and onto every clock change."""
    for at, before, after in transitions(name, zone):
        walls = sorted([naive(at + before), naive(at + after)])
        middle = walls[0] + (walls[1] - walls[0]) // 2
        middle = middle.replace(second=0)
        times = [middle, walls[0], walls[1], walls[1] - SECOND]
        for index, start in enumerate(times):
            choice = list(rules(start.date(), at))
            for pick in {turn % len(choice), (turn + 3) % len(choice)}:
                rule, ahead, last = choice[pick]
                turn += 1
                first = start - timedelta(days=ahead)
                text = rule if last is None else rule[: rule.index(";UNTIL")] + ";COUNT=12"
                minutes = [30, 360, 1440][turn % 3]
                starts = recurrence(text, first)
                say(name, first, rule, minutes, openings(starts, zone, minutes, last))


def shapes():
    """Rules of every shape in floating time: the recurrence alone."""
    dice = random.Random(5545)
    zone = zoneinfo.ZoneInfo("UTC")

    def some(low, high, most, both=False):
        numbers = {dice.choice([1, -1] if both else [1]) * dice.randint(low, high) for _ in range(dice.randint(1, most))}
        return ",".join(str(n) for n in sorted(numbers))

    for _ in range(2000):
        freq = dice.choice(["DAILY", "WEEKLY", "MONTHLY", "YEARLY"])
        parts = [f"FREQ={freq}", f"INTERVAL={dice.randint(1, 4)}"]
        weeks = freq == "YEARLY" and dice.random() < 0.25
        if weeks:
            parts.append("BYWEEKNO=" + some(1, 53, 3, True))
        if dice.random() < 0.3:
            parts.append("BYMONTH=" + some(1, 12, 4))
        if freq in ("MONTHLY", "YEARLY", "DAILY") and not weeks and dice.random() < 0.3:
            parts.append("BYMONTHDAY=" + some(1, 31, 4, True))
        if freq == "YEARLY" and not weeks and dice.random() < 0.2:
            parts.append("BYYEARDAY=" + some(1, 366, 4, True))
        if dice.random() < 0.5:
            counted = freq in ("MONTHLY", "YEARLY") and not weeks and dice.random() < 0.5
            days = dice.sample(DAYS, dice.randint(1, 3))
            most = 5 if freq == "MONTHLY" else 20
            nth = lambda: str(dice.choice([1, -1]) * dice.randint(1, most)) if counted else ""
            parts.append("BYDAY=" + ",".join(nth() + day for day in days))
        if dice.random() < 0.3:
            parts.append("WKST=" + dice.choice(DAYS))
        if dice.random() < 0.3:
            parts.append("BYHOUR=" + some(0, 23, 3))
        if dice.random() < 0.3:
            parts.append("BYMINUTE=" + some(0, 59, 2))
        if dice.random() < 0.3 and len(parts) > 2:
            parts.append("BYSETPOS=" + some(1, 3, 2, True))
        first = datetime(2019, 12, 20) + timedelta(minutes=dice.randint(0, 5_000_000))
        text = ";".join(parts)
        # What we refuse by design is not asked for: BYSETPOS needs another BY part, and something must happen within 5 years.
        if "BYSETPOS" in text and text.count("BY") < 2:
            continue
        if freq == "MONTHLY" and "-5" in text.partition("BYDAY=")[2] and ("INTERVAL=1;" not in text or "BYSETPOS" in text):
            continue
        try:
            starts = list(rrule.rrulestr(text + ";COUNT=25", dtstart=first))
        except IndexError:
            continue  # dateutil itself fails at BYDAY=20MO in a month
        if len(starts) == 25 and starts[0] < first + timedelta(days=365 * 4):
            say("UTC", first, text + ";COUNT=25", 1, openings(starts, zone, 1))


if "shapes" in sys.argv[2:]:
    shapes()
for turn, name in enumerate(sys.stdin.read().split()):
    around(name, zoneinfo.ZoneInfo(name), turn)
