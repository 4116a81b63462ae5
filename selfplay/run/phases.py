"""One generation after another: carries out the next phase and records it in the run database."""

import math
import threading
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from engine.cli.live_lines import COMPILES, LOG_S, live_line, log
from engine.errors import RunError
from engine.native.uptime import uptime_s
from selfplay.interrupt import Stop
from selfplay.records.replay import read_segment, reopen_segment, segment_path
from selfplay.run.config import config_text
from selfplay.run.fitting import FitResult, NothingToLearn, adopt, fit
from selfplay.run.folder import RunFolder
from selfplay.run.gating import gate
from selfplay.run.generating import generate_games
from selfplay.run.ledger import Phase
from selfplay.run.phase_games import PlayBackend, play_numbers
from selfplay.training.losses import number_text

WORK_S = 5.0  # a killed process loses no more than this of the time that it worked. Set by hand.


def run_generations(
    run: RunFolder,
    count: int | None,
    stop: Stop,
    play: PlayBackend = play_numbers,
    hours: float = math.inf,
    until: str | None = None,
) -> bool:
    """Finish `count` generations (None: without end), of which one may have been begun before;
    False when stopped.

    No generation begins once `hours` of work are done on the run, and nothing more where the phase
    `until` is due. `play` plays the games of self-play and gate.
    """
    finished = 0
    while count is None or finished < count:
        if (
            run.ledger.current()[1] is Phase.DONE
            and sum(run.ledger.work().values()) / 3600 >= hours
        ):
            break
        number, phase = _due_phase(run)
        if phase == until:
            break
        if not _carry_out(run, number, phase, stop, play):
            return False
        if phase is Phase.GATE:
            finished += 1
            log(gain_so_far(run, hours))
    return True


def gain_so_far(run: RunFolder, hours: float) -> str:
    """Return what the run has gained so far, and what is left of its hours, in words."""
    gates = run.ledger.gates().values()
    promoted = sum(gate.accepted for gate in gates)
    gained = sum(gate.gained for gate in gates)
    worked = sum(run.ledger.work().values()) / 3600
    time = f"{worked:.2f} h of work"
    if hours < math.inf:
        time += f", {max(0.0, hours - worked):.2f} h left"
    return (
        f"so far: {promoted} of {len(gates)} candidates promoted, Elo {gained:+.0f} at most, {time}"
    )


def adopt_candidate(run: RunFolder, path: Path) -> None:
    """End the fit phase with a network that was trained elsewhere. Raises RunError if none is due,
    and as `adopt`.
    """
    number, phase = _due_phase(run)
    if phase is Phase.GATE and run.are_equal(path, run.candidate(number)):
        return  # the same command was interrupted in the match
    if phase is not Phase.FIT:
        advice = f"`aino-train loop {run.path} --until fit`"
        raise RunError(f"{run.path}: generation {number} has to {phase} first: {advice}")
    _show_losses(number, adopt(run, number, path))
    run.ledger.enter_phase(number, Phase.GATE)


def _due_phase(run: RunFolder) -> tuple[int, Phase]:
    """Return (generation, the phase that is due); a new generation is not begun yet.

    A generation whose games are damaged before they were learned from plays the lost ones again. A
    candidate that is lost before its verdict is trained again.
    """
    number, phase = run.ledger.current()
    if phase is Phase.DONE:
        return number + 1, Phase.GENERATE
    if (
        phase is Phase.GATE
        and number not in run.ledger.gates()
        and not run.candidate(number).is_file()
    ):
        log(f"generation {number}: {run.candidate(number)} is missing; it is trained again")
        run.ledger.enter_phase(number, Phase.FIT)
        phase = Phase.FIT
    if phase is Phase.FIT and not _all_games_there(run, number):
        log(
            f"generation {number}: games are missing in {segment_path(run.replay, number)}; they are played again"
        )
        reopen_segment(run.replay, number)
        run.ledger.enter_phase(number, Phase.GENERATE)
        return number, Phase.GENERATE
    return number, phase


def _all_games_there(run: RunFolder, number: int) -> bool:
    """Whether the published generation has every game of the run database."""
    path = segment_path(run.replay, number)
    if not path.is_file():
        return False
    games, damaged = read_segment(path)
    return not damaged and len(games) == len(run.ledger.games(number))


def _carry_out(run: RunFolder, number: int, phase: Phase, stop: Stop, play: PlayBackend) -> bool:
    work, following, decided = STEPS[phase]
    earlier = {}
    for generation in run.ledger.generations()[-1:]:
        if generation.number == number:
            begun = tomllib.loads(generation.config)
            earlier = {name: begun[name] for name in decided if name in begun}
    run.ledger.begin_generation(number, config_text(run.config, earlier))
    with _working(run, number):
        finished = not stop() and work(run, number, stop, play)
    if not finished:
        log(f"generation {number}: stopped in {phase}; the same command continues")
        return False
    run.ledger.enter_phase(number, following)
    return True


@contextmanager
def _working(run: RunFolder, number: int) -> Iterator[None]:
    """Count the time of the block as work on the generation: entered every WORK_S seconds, and at
    the end.
    """
    ended = threading.Event()
    noted = uptime_s()

    def note() -> None:
        nonlocal noted
        now = uptime_s()
        run.ledger.add_work(number, now - noted)
        noted = now

    def note_along() -> None:
        while not ended.wait(WORK_S):
            # Of a full disk: the time is entered later, or the end raises it.
            with suppress(RunError):
                note()

    thread = threading.Thread(target=note_along, name="work", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        note()


def _generate(run: RunFolder, number: int, stop: Stop, play: PlayBackend) -> bool:
    if _all_games_there(run, number):
        return True  # a process published it and was killed before updating the run database
    with live_line(f"generation {number}: games", LOG_S, COMPILES) as line:
        return generate_games(run, number, line.update, log, stop, play)


def _fit(run: RunFolder, number: int, stop: Stop, play: PlayBackend) -> bool:
    with live_line(f"generation {number}: training", LOG_S, COMPILES) as line:
        try:
            result = fit(run, number, line.update, log, stop)
        except NothingToLearn as error:
            run.ledger.begin_again(number)
            segment_path(run.replay, number).unlink(missing_ok=True)
            advice = "They are given up, and `loop` plays others; games.full_share or openings may have to change"
            raise RunError(f"{error}. {advice}") from error
    if result is None:
        return False
    _show_losses(number, result)
    return True


def _show_losses(number: int, result: FitResult) -> None:
    before, after = result.before, result.after
    if before is None or after is None:
        log(f"generation {number}: no held-out positions to compare losses on")
        return
    log(
        f"generation {number}: held-out losses before -> after: "
        f"policy {number_text(before.policy)} -> {number_text(after.policy)}, "
        f"value {number_text(before.value)} -> {number_text(after.value)}, "
        f"top-1 {number_text(before.top1, '.1%')} -> {number_text(after.top1, '.1%')}"
    )


def _gate(run: RunFolder, number: int, stop: Stop, play: PlayBackend) -> bool:
    run.fit_checkpoint(number).unlink(missing_ok=True)
    with live_line(f"generation {number}: gate", LOG_S, COMPILES) as line:
        result = gate(run, number, line.update, log, stop, play)
    if result is None:
        return False
    run.remove_old_networks(number)
    verdict = "promoted" if result.accepted else "rejected"
    reason = "SPRT" if result.decided else "limit of pairs"
    log(
        f"generation {number}: candidate {verdict} ({reason}, LLR {result.llr:+.2f}): score {result.score:.1%} "
        f"in {sum(result.pentanomial)} pairs {list(result.pentanomial)}, Elo {result.elo:+.0f} "
        f"[{result.elo_low:+.0f}, {result.elo_high:+.0f}]"
    )
    return True


# What a phase does, the phase that follows it, and the sections of settings that can no longer
# change its generation.
STEPS: dict[
    Phase, tuple[Callable[[RunFolder, int, Stop, PlayBackend], bool], Phase, tuple[str, ...]]
] = {
    Phase.GENERATE: (_generate, Phase.FIT, ()),
    Phase.FIT: (_fit, Phase.GATE, ("games",)),
    Phase.GATE: (_gate, Phase.DONE, ("games", "fit")),
}
