"""`aino-train tune` with an engine whose best options are known."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import chess
import numpy as np
import pytest

from engine.errors import ConfigError, RunError
from selfplay.matches.archive import GameRow, MatchArchive
from selfplay.matches.contestant import Contestant, close_engine, open_engine
from selfplay.matches.control import TimeControl
from selfplay.matches.play import Reason
from selfplay.report.tuning_page import tuning_page
from selfplay.tune.outcome import KIND, read_tuning, setoption_lines, toml_lines
from selfplay.tune.tunable import Tunable, parse_wish, resolve
from selfplay.tune.tuning import Tuning, TuningSettings, pair_results
from tests.new_process import wait_until

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = Path(__file__).parents[1] / "tuned_engine.py"
BOTH_MATE = "6k1/2R2ppp/8/8/8/8/1r3PPP/6K1 w - - 0 1"  # Rc8 mates; Black's Rb1 would.
WIDTH = Tunable("Width", 20.0, 0.0, 100.0, step=8.0, rate=0.15, whole=True)
SHARPNESS = Tunable("Sharpness", 1.5, 0.0, 5.0, step=0.3, rate=0.15)


def settings(log: Path, pairs: int, **changes: object) -> TuningSettings:
    """A tuning run of the scripted engine; every game ends within a few moves."""
    engine = Contestant("tuned", (sys.executable, str(SCRIPT), str(log)))
    values = {"control": TimeControl(nodes=1), "openings": (BOTH_MATE,), "longest": 30, "lag": 4} | changes
    return TuningSettings(engine=engine, options=(WIDTH, SHARPNESS), pairs=pairs, **values)  # type: ignore[arg-type]


def tuning(folder: Path, wanted: TuningSettings) -> Tuning:
    return Tuning(wanted, MatchArchive(folder, wanted.description(), wanted.resolved(), "Tuning", KIND))


def play(folder: Path, wanted: TuningSettings, games: int | None = None) -> Tuning:
    """Play all games, or stop after so many."""
    run, seen = tuning(folder, wanted), []
    finished = run.play(seen.append, lambda: games is not None and len(seen) >= games)
    assert finished == (games is None)
    return run


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Tuning]:
    """A run of 150 pairs without an interruption, three games at once."""
    folder = tmp_path_factory.mktemp("whole")
    return folder, play(folder, settings(folder / "starts", 150, concurrency=3))


def test_options_move_to_where_the_engine_is_strongest(whole: tuple[Path, Tuning]) -> None:
    width, sharpness = whole[1].standing().values
    assert abs(width - 60.0) < 15.0
    assert abs(sharpness - 2.5) < 0.5


def test_engines_get_their_values_without_being_started_anew(whole: tuple[Path, Tuning]) -> None:
    folder, run = whole
    assert (folder / "starts").read_text().count("started") == 2 * run.settings.concurrency
    assert not any(sum(faults.values()) for faults in run.standing().faults.values())
    rows = [GameRow.from_json(line) for line in (folder / "games.jsonl").read_text().splitlines()]
    assert {row.reason for row in rows} <= {Reason.CHECKMATE, Reason.LENGTH, Reason.REPETITION, Reason.STALEMATE}
    assert {(row.white, row.black) for row in rows if row.number % 2 == 0} == {("tuned+", "tuned-")}


def test_a_run_that_was_stopped_goes_on_as_if_it_had_not_been(whole: tuple[Path, Tuning], tmp_path: Path) -> None:
    wanted = settings(whole[0] / "starts", 150)
    stopped = play(tmp_path, wanted, games=25)
    assert stopped.spsa.done == 12
    assert np.array_equal(stopped.spsa.path, whole[1].spsa.path[:13])
    assert np.array_equal(tuning(tmp_path, wanted).spsa.path, stopped.spsa.path)
    resumed = play(tmp_path, wanted, games=20)
    assert resumed.spsa.done > 19
    assert np.array_equal(resumed.spsa.path, whole[1].spsa.path[: resumed.spsa.done + 1])


def test_other_settings_do_not_resume_a_run(tmp_path: Path) -> None:
    tuning(tmp_path, settings(tmp_path / "starts", 10))
    tuning(tmp_path, settings(tmp_path / "starts", 10, concurrency=2))
    with pytest.raises(RunError, match=r"another tuning \(pairs differ\)"):
        tuning(tmp_path, settings(tmp_path / "starts", 20))
    with pytest.raises(RunError, match=r"holds another tuning \(lag, seed differ\)"):
        tuning(tmp_path, settings(tmp_path / "starts", 10, lag=2, seed=7))


def test_a_match_is_not_resumed_as_tuning(tmp_path: Path) -> None:
    MatchArchive(tmp_path, {}).add(GameRow(0, "a", "b", chess.STARTING_FEN, "", "1-0", "checkmate", "", "", (0, 0)))
    with pytest.raises(RunError, match="but no tuning"):
        tuning(tmp_path, settings(tmp_path / "starts", 10))


def test_results_are_points_of_whole_pairs() -> None:
    results = {0: "1-0", 1: "0-1", 2: "1/2-1/2", 3: "1-0", 5: "0-1"}
    rows = [GameRow(n, "a", "b", "", "", result, "", "", "", (0, 0)) for n, result in results.items()]
    assert pair_results(rows) == {0: 2.0, 1: -1.0}


def test_page_shows_values_and_curves(whole: tuple[Path, Tuning], tmp_path: Path) -> None:
    facts = read_tuning(whole[0])
    assert np.array_equal(facts.path, whole[1].spsa.path)
    page = tuning_page(facts)
    for text in ("Width", "Sharpness", "Pairs with a winner", "150 of 150 pairs", "setoption name Width value"):
        assert text in page
    assert page.count('<path class="series') == 3
    tuning(tmp_path, settings(tmp_path / "starts", 10))
    assert "0 of 10 pairs" in tuning_page(read_tuning(tmp_path))


def test_a_damaged_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "tuning.json").write_text("{}")
    with pytest.raises(RunError, match="not a readable tuning run"):
        read_tuning(tmp_path)


# ---- options --------------------------------------------------------------------------------------------------------


def resolved(text: str, is_aino: bool = False, **values: str) -> Tunable:
    engine = open_engine(Contestant("tuned", (sys.executable, str(SCRIPT), "/dev/null")))
    try:
        return resolve(parse_wish(text), engine.options, is_aino, values)
    finally:
        close_engine(engine)


def test_range_and_start_are_the_engines_own() -> None:
    assert resolved("Width") == Tunable("Width", 20.0, 0.0, 100.0, step=4.0, whole=True)
    assert resolved("Width", Width="50") == Tunable("Width", 50.0, 0.0, 100.0, step=5.0, whole=True)
    assert resolved("Width start=30 max=40 step=2 rate=0.01") == Tunable("Width", 30.0, 0.0, 40.0, 2.0, 0.01, True)
    assert resolved("width").name == "Width"
    assert resolved("Sharpness min=0 max=5") == Tunable("Sharpness", 1.0, 0.0, 5.0, step=0.2)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("Depth", "no UCI option 'Depth'"),
        ("Style min=0 max=1", "not a number"),
        ("Sharpness", "does not tell its range"),
        ("Width max=200", "beyond the engine's own, 100"),
        ("Width start=50 max=40", "outside 0 to 40"),
        ("Width min=40 max=40", "not below"),
        ("Width step=0.2", "below 0.5"),
        ("Width rate=0", "must be above 0"),
        ("Sharpness min=0 max=inf", "finite"),
        ("Width speed=1", "expected NAME and start"),
        ("Width step=x", "is not a number"),
        ("step=1", "name is missing"),
        ("Width 'step=1", "No closing quotation"),
    ],
)
def test_an_option_that_cannot_be_tuned_is_an_error(text: str, error: str) -> None:
    with pytest.raises(ConfigError, match=error):
        resolved(text)


def test_options_are_tuned_once_and_not_set_besides() -> None:
    series = {"control": TimeControl(nodes=1), "openings": ("",), "pairs": 10}
    with pytest.raises(ConfigError, match="each once"):
        TuningSettings(engine=Contestant("e", ("e",)), options=(WIDTH, WIDTH), **series)  # type: ignore[arg-type]
    engine = Contestant("e", ("e",), (("Width", "3"),))
    with pytest.raises(ConfigError, match="overlap: Width"):
        TuningSettings(engine=engine, options=(WIDTH,), **series)  # type: ignore[arg-type]


def test_values_are_written_for_guis_and_for_ainos_own_file() -> None:
    options = (Tunable("CPuct", 1.0, 0.1, 5.0, step=0.1), Tunable("Width", 20.0, 0.0, 100.0, step=1.0, whole=True))
    values = np.array([1.23456789, 41.6])
    assert setoption_lines(options, values) == ["setoption name CPuct value 1.23457", "setoption name Width value 42"]
    assert toml_lines(options, values) == ["cpuct_init = 1.23457"]


# ---- the command ----------------------------------------------------------------------------------------------------


def words_for(folder: Path, pairs: int) -> list[str]:
    engine = f"name=tuned cmd='{sys.executable} {SCRIPT} {folder}.starts'"
    openings = folder.with_suffix(".epd")
    openings.write_text(BOTH_MATE + "\n")
    options = ["--option", "Width step=8 rate=0.15", "--option", "Sharpness start=1.5 min=0 max=5 step=0.3 rate=0.15"]
    rest = ["--nodes", "1", "--longest", "30", "--pairs", str(pairs), "--openings", str(openings), "--lag", "4"]
    return ["tune", "--engine", engine, *options, *rest, "--out", str(folder)]


def test_the_command_survives_a_kill(tmp_path: Path, aino_train: Callable[..., str]) -> None:
    folder = tmp_path / "tuned"
    command = [sys.executable, "-m", "selfplay.main", *words_for(folder, 40)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL) as process:
        games = folder / "games.jsonl"
        wait_until(lambda: games.is_file() and games.read_text().count("\n") >= 15)
        process.send_signal(signal.SIGKILL)
    before = read_tuning(folder)
    assert 0 < before.pairs < 40
    told = aino_train(*words_for(folder, 40))
    after = read_tuning(folder)
    assert after.pairs == 40
    assert np.array_equal(after.path[: before.pairs + 1], before.path)
    values = json.loads((folder / "result.json").read_text())["values"]
    assert f"setoption name Width value {values['Width']:g}" in told
    assert "40 of 40 pairs" in told
    assert "setoption name Sharpness" in (folder / "report.html").read_text(encoding="utf-8")
    assert "40 pairs of games" in aino_train("report", folder)


def test_ranges_of_ainos_fractions_are_known() -> None:
    engine = open_engine(Contestant("aino", (sys.executable, "-m", "uci"), (("Evaluator", "material"),)))
    try:
        tunable = resolve(parse_wish("CPuct"), engine.options, engine.id["name"].startswith("Aino"), {})
    finally:
        close_engine(engine)
    assert (tunable.start, tunable.low, tunable.high) == (1.3, 0.0, 100.0)
    assert tunable.step == pytest.approx(0.26)
