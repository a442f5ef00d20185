"""What disturbed a run from outside: other work, the machine's host, heat, a weak supply, a clock that changed."""

import re
from collections.abc import Iterator, Sequence

from benchmarks.results.results import BenchResult, Condition

MOST_BUSY = 10  # percent of all cores, by others: on two cores, a fifth of one
_MOST_STOLEN = 2
_MOST_WAITED = 2
_NOW, _SINCE_BOOT = 0xF, 0xF0000  # of the Raspberry Pi firmware's bits: what is, and what was at some time since it was switched on
_PROCESS = re.compile(r"process (\d+)")


def of_machine(result: BenchResult) -> Iterator[str]:
    """Doubts about the machine, each with when it was."""
    if busy := [found for found in result.conditions if found.busy_percent > MOST_BUSY]:
        worst = max(found.busy_percent for found in busy)
        yield f"other programs kept the machine up to {worst:.0f} % busy: {_when(result, busy)}"
    stolen = [found.stolen_percent for found in result.conditions if found.stolen_percent is not None]
    if stolen and max(stolen) > _MOST_STOLEN:
        yield f"the machine's host took up to {max(stolen):.0f} % of its time away"
    if waited := [found for found in result.conditions if (found.waited_percent or 0) > _MOST_WAITED]:
        worst = max(found.waited_percent or 0 for found in waited)
        yield f"what was measured waited for a processor up to {worst:.0f} % of the time: {_when(result, waited)}"
    yield from _of_supply(result.conditions)
    clocks = [found.megahertz for found in result.conditions if found.megahertz and _PROCESS.fullmatch(found.when)]
    if clocks and min(clocks) < 0.9 * max(clocks):
        yield f"the processor's clock changed between {min(clocks):,.0f} and {max(clocks):,.0f} MHz"
    if len({found.governor for found in result.conditions}) > 1:
        yield "the frequency governor was changed during the run"
    if len({turn.process for turn in result.reference.turns}) == 1:
        yield "there was one process alone, so nobody knows how much processes differ"


def is_disturbed(condition: Condition) -> bool:
    """Whether something from outside took part of that time."""
    throttled = bool((condition.throttled or 0) & _NOW)
    shares = (
        (condition.busy_percent, MOST_BUSY),
        (condition.stolen_percent, _MOST_STOLEN),
        (condition.waited_percent, _MOST_WAITED),
    )
    return throttled or any((share or 0) > most for share, most in shares)


def disturbed_processes(result: BenchResult) -> set[int]:
    """The numbers of the run's processes that were disturbed, from 0."""
    found = ((_PROCESS.fullmatch(condition.when), condition) for condition in result.conditions)
    return {int(match[1]) - 1 for match, condition in found if match and is_disturbed(condition)}


def _of_supply(conditions: Sequence[Condition]) -> Iterator[str]:
    """Bits of what was since the board was switched on are doubted only where they are new."""
    told = [found.throttled for found in conditions if found.throttled is not None]
    for bits in told:
        if bits & _NOW or bits & ~told[0] & _SINCE_BOOT:
            yield f"the board throttled itself, or its supply was too weak (firmware bits {bits:#x})"
            return


def _when(result: BenchResult, found: Sequence[Condition]) -> str:
    return "throughout" if len(found) == len(result.conditions) else ", ".join(one.when for one in found)
