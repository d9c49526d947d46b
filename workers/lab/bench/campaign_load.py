"""Prepares campaigns for a bench: writes a file of recipients; creates, loads, checks and approves a campaign."""

import resource
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.errors import PostroadError
from pipeline.runtime import Runtime
from pipeline.settings import Settings
from pipeline.stages.campaigns.approve import approve
from pipeline.stages.campaigns.check_rows import start_check
from pipeline.stages.campaigns.create import create
from pipeline.stages.campaigns.find import find
from schema.campaign import CampaignDefinition
from schema.vocabulary import CampaignState
from workers.campaign_checking import check_all
from workers.campaign_file import table_rows
from workers.campaign_loading import load_file
from workers.lab.bench.setup import ACCOUNT, SENDER

_TEXT = "Hello ${name}, your parcel arrives on ${day} between 9 and 11."
_BLOCK = 1 << 20


def write_file(path: Path, rows: int, places: Sequence[str]) -> Path:
    """Write a campaign's file whose recipients begin with these digits, in turns; return it."""
    with path.open("w") as out:
        out.write("to,name,day\n")
        for row in range(rows):
            out.write(f"{places[row % len(places)]}{row:07},Customer {row},Monday\n")
    return path


def prepare(settings: Settings, file: Path, name: str) -> dict[str, Any]:
    """Create, load, check and approve a campaign; return how long it took, and this process's memory at most."""
    rt = Runtime(settings)
    try:
        began = time.perf_counter()
        definition = CampaignDefinition(account=ACCOUNT, name=name, sender=SENDER, body=_TEXT)
        made = create(rt, definition)
        with file.open("rb") as content:
            loaded = load_file(rt, made.id, table_rows(iter(lambda: content.read(_BLOCK), b""), _TEXT, {}))
        at_loaded = time.perf_counter()
        start_check(rt, made.id)
        check_all(rt, made.id)
        at_checked = time.perf_counter()
        found = find(rt, ACCOUNT, name)
        if found.state is not CampaignState.QUOTED:
            raise PostroadError(f"the campaign is {found.state}: {found.reason}")
        approve(rt, made.id)
    finally:
        rt.close()
    return {
        "rows": loaded.rows,
        "loaded_in_seconds": round(at_loaded - began, 2),
        "checked_in_seconds": round(at_checked - at_loaded, 2),
        "memory_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }
