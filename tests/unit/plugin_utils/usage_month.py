"""A month of teams, as hosts tell of it in a report."""

import datetime
import random

NOW = 1_795_750_000


def day(number, grown, chance):
    date = datetime.date(2026, 10, 28) + datetime.timedelta(number)
    return {
        "date": date.isoformat(),
        "database_bytes": 10**7 + grown * number,
        "artifacts_bytes": 10**9 + 40 * grown * number,
        "runs": 100 + 12 * number,
        "deleted_runs": number,
        "users": 12,
        "awake_seconds": chance.randrange(0, 86400),
        "memory_peak_bytes": chance.randrange(10**8, 10**9),
    }


def team(seed, days=30, **more):
    chance = random.Random(seed)  # noqa: S311 - nobody is to be kept from guessing it
    return {
        "version": "3.17.2",
        "error": False,
        "walked_at": NOW,
        "days": [day(number, chance.randrange(10**5, 10**7), chance) for number in range(days)],
        "weeks": [[NOW // 604800 * 604800 - 604800 * back, chance.randrange(200)] for back in range(12, -1, -1)],
        "quiet": [["dora", None], ["emil", NOW - 10**7]],
        "experiments": [
            {"id": 1, "name": "resnet", "stage": "active", "runs": 40, "last": NOW * 1000, "bytes": 5 * 10**8}
        ],
        "deleted": {"runs": 3, "experiments": 1, "bytes": 12345},
        **more,
    }


def reports(number=30, **more):
    return {"host1": {"at": NOW, "teams": {f"team-{it:02}": team(it, **more) for it in range(number)}}}
