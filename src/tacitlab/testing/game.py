"""Does a stage game keep the contract that learners, engine and reports rely on?"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from tacitlab.errors import TacitError
from tacitlab.games.base import Actions, CongestionForm, NormalForm, StageGame
from tacitlab.lab.experiment import Experiment, Length
from tacitlab.lab.run import run
from tacitlab.learners import Constant, ConstantValue, QLearning
from tacitlab.learners.base import Learner
from tacitlab.schema import validate
from tacitlab.testing.promises import Promises, said, together
from tacitlab.theory.benchmarks import Benchmarks, Profile

ROUNDING = 1e-7  # of a player's range of payoffs
COPIES = 2  # copies whose benchmarks are compared: each must be found anew
MOST_JOINT = 100_000  # joint actions that are looked through
LEARNER = QLearning(gamma=0, alpha=0.2, initial=ConstantValue(value=0), exploration=Constant(epsilon=0.3))


def check_game(game: StageGame, *, seed: int = 0) -> None:
    """Look at a game's payoffs and benchmarks, play it, and raise an error about the promises that it breaks.

    What is checked: actions and payoffs agree in shape, and payoffs are finite; benchmarks are what they say, in the
    unit of each player's payoffs: nobody gains by leaving an equilibrium, no joint action beats the joint optimum, and
    strict equilibria are all listed where the list says it is complete; a changed copy has benchmarks of its own; what
    a scenario file says of the game makes the same again; and it is played with the same bits on one thread and two.

    Parameters
    ----------
    game : StageGame
    seed : int
        Of the play.

    Raises
    ------
    AssertionError
        One line for each part that breaks a promise.

    Examples
    --------
    >>> from tacitlab.games import PrisonersDilemma
    >>> check_game(PrisonersDilemma())
    """
    check = Promises(type(game).__name__)
    form = check.made("form()", game.form)
    check(isinstance(form, NormalForm | CongestionForm), "form() is neither a NormalForm nor a CongestionForm; make it")
    _check_form(check, game, form)
    together(
        lambda: _check_actions(check, game, form),
        lambda: _check_benchmarks(check, game, form),
        lambda: _check_copies(check, game),
        lambda: check.stored(game),
        lambda: check_play(check, game, LEARNER, seed),
    )


# --- payoffs -------------------------------------------------------------------------------------------------------


def _check_form(check: Promises, game: StageGame, form: NormalForm | CongestionForm) -> None:
    check(form.players >= 1, f"form() has {form.players} players; give it at least 1")
    players = check.made("n_players", lambda: game.n_players)
    check(players == form.players, f"n_players is {players}, but form() has {form.players}; make them the same")
    if isinstance(form, CongestionForm):
        _check_congestion(check, form)
    else:
        _check_table(check, form)


def _check_table(check: Promises, form: NormalForm) -> None:
    table, regimes = form.payoffs, len(form.transition)
    wanted = [regimes, int(np.prod(form.shape)), form.players]
    good = table.dtype == np.float64 and list(table.shape) == wanted and table.flags["C_CONTIGUOUS"]
    check(good, f"payoffs are {said(table)}; make them float64{wanted}, C-contiguous (see NormalForm.from_tensor)")
    check(np.isfinite(table).all(), f"{np.sum(~np.isfinite(table))} payoffs are not finite; make them numbers")
    chain = form.transition
    good = chain.shape == (regimes, regimes) and bool((chain >= 0).all()) and np.allclose(chain.sum(axis=1), 1)
    check(good, "transition is no Markov chain; make its rows of probabilities add up to 1")
    wanted = [regimes, form.players]
    check(list(form.active.shape) == wanted, f"active is {said(form.active)}; make it bool{wanted}")


def _check_congestion(check: Promises, form: CongestionForm) -> None:
    facilities, actions = len(form.values), form.actions
    for name, array, wanted in (
        ("incidence", form.incidence, (facilities, actions)),
        ("weights", form.weights, (actions, facilities)),
    ):
        check(array.shape == wanted, f"{name} is {said(array)}; make it {list(wanted)}")
    whole = np.issubdtype(form.incidence.dtype, np.integer) and (form.incidence >= 0).all()
    check(whole, "incidence has entries that are no loads; make them whole numbers from 0 on")
    loads = 1 + form.players * int(form.incidence.max(initial=0))
    enough = form.values.ndim == 2 and form.values.shape[1] >= loads
    check(enough, f"values are {said(form.values)}; give one for each of the {loads} possible loads")
    for name, array in (("values", form.values), ("weights", form.weights), ("own", form.own)):
        check(np.isfinite(array).all(), f"{name} are not all finite; make them numbers")


def _check_actions(check: Promises, game: StageGame, form: NormalForm | CongestionForm) -> None:
    actions = check.made("actions()", game.actions)
    check(isinstance(actions, Actions), f"actions() returns {type(actions).__name__}; return Actions")
    count = form.actions if isinstance(form, CongestionForm) else max(form.shape)
    rows = 1 if isinstance(form, CongestionForm) else form.players
    values = np.asarray(actions.values)
    check(
        values.shape == (rows, count),
        f"actions().values are {said(values)}; make them {[rows, count]}, as form() has players and actions",
    )
    check(actions.name, "actions() have no name; say what is chosen, for example 'price'")
    labels: Any = actions.labels
    check(isinstance(labels, tuple | list), f"labels are {labels!r}; make them a tuple of texts")
    check(not labels or len(labels) == count, f"there are {len(labels)} labels for {count} actions; give one each")
    check(len(set(labels)) == len(labels), f"labels {labels} are not all different; name actions apart")


# --- benchmarks ----------------------------------------------------------------------------------------------------


def _check_benchmarks(check: Promises, game: StageGame, form: NormalForm | CongestionForm) -> None:
    found = check.made("benchmarks()", game.benchmarks)
    check(isinstance(found, Benchmarks), f"benchmarks() returns {type(found).__name__}; return Benchmarks")
    check(found.competitive, "benchmarks() has no competitive profile; name an equilibrium")
    check(found.cooperative, "benchmarks() has no cooperative profile; name the joint optimum")
    for profile in (*found.competitive, *found.cooperative):
        _check_profile(check, form, profile)
    if isinstance(form, NormalForm) and found.complete and form.payoffs.shape[1] <= MOST_JOINT and not form.observed:
        _check_complete(check, form, found)


def _check_profile(check: Promises, form: NormalForm | CongestionForm, profile: Profile) -> None:
    name, payoffs = profile.name, np.asarray(profile.payoffs)
    wanted = (1,) if isinstance(form, CongestionForm) else (form.players,)
    check(payoffs.shape == wanted, f"the payoffs of {name} are {said(payoffs)}; make them {list(wanted)}")
    check(np.isfinite(payoffs).all(), f"the payoffs of {name} are not finite; make them numbers")
    if isinstance(form, CongestionForm):
        _check_crowd(check, form, profile)
        return
    strategies = _mixed(form, profile)
    if strategies is None or (form.observed and len(form.payoffs) > 1):
        return  # off the grid, or played otherwise in each regime: nothing in the table says so
    tensor, slack = form.tensor(), _range(form) * ROUNDING + profile.error
    reached = np.array([_expected(tensor[..., i], strategies) for i in range(form.players)])
    for i in range(form.players):
        told = f"{name} pays player {i} {reached[i]:.6g}, not {payoffs[i]:.6g}; take payoffs from form()"
        check(abs(reached[i] - payoffs[i]) <= slack[i], told)
    if profile.concept in ("nash", "mixed-nash"):
        for i in range(form.players):
            gain = _replies(tensor[..., i], strategies, i).max() - reached[i]
            mend = "find the equilibrium of these payoffs, or leave benchmarks() out"
            check(gain <= slack[i], f"{name} is no equilibrium: player {i} gains {gain:.6g} by leaving it; {mend}")
    if profile.concept == "joint-optimum":
        best, have = tensor.sum(axis=-1).max(), reached.sum()
        check(have >= best - slack.sum(), f"{name} pays {have:.6g} in all, but {best:.6g} is possible; take the best")


def _range(form: NormalForm) -> NDArray[np.float64]:
    spread: NDArray[np.float64] = np.ptp(form.payoffs, axis=(0, 1))
    return np.maximum(spread, 1e-12)


def _mixed(form: NormalForm, profile: Profile) -> list[NDArray[np.float64]] | None:
    """The probabilities of each player's actions; None if the profile does not say."""
    if profile.actions is not None:
        return [np.eye(size)[action] for size, action in zip(form.shape, profile.actions, strict=True)]
    return [np.asarray(one) for one in profile.strategies] if profile.strategies else None


def _expected(payoffs: Any, strategies: list[NDArray[np.float64]]) -> float:
    for one in strategies:
        payoffs = np.tensordot(one, payoffs, 1)
    return float(payoffs)


def _replies(payoffs: Any, strategies: list[NDArray[np.float64]], player: int) -> NDArray[np.float64]:
    """What each action of a player pays while the others play their strategies."""
    payoffs = np.moveaxis(payoffs, player, -1)
    for k, one in enumerate(strategies):
        if k != player:
            payoffs = np.tensordot(one, payoffs, 1)
    found: NDArray[np.float64] = payoffs
    return found


def _check_complete(check: Promises, form: NormalForm, found: Benchmarks) -> None:
    """Strict equilibria are found by looking through the table; those with ties are a matter of rounding."""
    tensor, strict = form.tensor(), np.ones(form.shape, bool)
    for i, slack in enumerate(_range(form) * ROUNDING):
        own = np.moveaxis(tensor[..., i], i, -1)
        if own.shape[-1] > 1:
            second, best = np.moveaxis(np.sort(own, axis=-1)[..., -2:], -1, 0)
            alone = (own >= best[..., None]) & (best - second > slack)[..., None]
            strict &= np.moveaxis(alone, -1, i)
    listed = {tuple(int(a) for a in p.actions) for p in found.competitive if p.actions is not None}
    for joint in np.argwhere(strict):
        profile = tuple(int(a) for a in joint)
        mend = "list it, or set complete=False"
        check(profile in listed, f"benchmarks() lacks the equilibrium in which actions are {profile}; {mend}")


def _check_crowd(check: Promises, form: CongestionForm, profile: Profile) -> None:
    """Where the profile says how many choose each action: what they get, and whether one of them gains by changing."""
    shares = profile.quantities.get("share")
    if shares is None or profile.concept not in ("nash", "joint-optimum") or np.shape(shares) != (form.actions,):
        return
    counts = np.round(np.asarray(shares) * form.players).astype(np.int64)
    if not np.allclose(counts, np.asarray(shares) * form.players) or counts.sum() != form.players:
        return  # a mean over several
    payoffs = form.payoffs(counts)
    slack = ROUNDING * max(float(np.abs(payoffs).max()), 1e-12) + profile.error
    mean = float(counts @ payoffs) / form.players
    told = f"{profile.name} pays {mean:.6g} on average, not {profile.average:.6g}; take payoffs from form()"
    check(abs(mean - profile.average) <= slack, told)
    if profile.concept != "nash":
        return
    for old in np.flatnonzero(counts):
        for new in range(form.actions):
            moved = counts - np.eye(form.actions, dtype=np.int64)[old] + np.eye(form.actions, dtype=np.int64)[new]
            gain = float(form.payoffs(moved)[new] - payoffs[old])
            mend = "find the equilibrium of these payoffs, or leave benchmarks() out"
            told = f"{profile.name} is no equilibrium: one player gains {gain:.6g} by leaving action {old}; {mend}"
            check(gain <= slack, told)


# --- copies --------------------------------------------------------------------------------------------------------


def _check_copies(check: Promises, game: StageGame) -> None:
    """A copy with another parameter is another game: what the first has computed must not stay with it."""
    check.made("benchmarks()", game.benchmarks)
    game.form()
    compared = 0
    for name, fresh in _neighbours(game):
        copy = game.model_copy(update={name: getattr(fresh, name)})
        problem = f"a copy with another {name} keeps numbers of the first; compute them from the copy's fields"
        check(_same_form(copy.form(), fresh.form()), f"form(): {problem}")
        if compared < COPIES and not _same_form(fresh.form(), game.form()):
            compared += 1
            one, other = copy.benchmarks(), fresh.benchmarks()
            pairs = zip((*one.competitive, *one.cooperative), (*other.competitive, *other.cooperative), strict=False)
            same = all(np.array_equal(a.payoffs, b.payoffs) for a, b in pairs)
            check(same, f"benchmarks(): {problem}")


def _neighbours(game: StageGame) -> Iterator[tuple[str, StageGame]]:
    """The same game with one number a little different, where that is allowed."""
    own = {name: getattr(game, name) for name in type(game).model_fields}
    for name, value in own.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        steps = (value + 1, value - 1) if isinstance(value, int) else (value * 1.1, value * 0.9, value + 0.1)
        for other in steps:
            try:
                yield name, validate(type(game), {**own, name: other})
            except TacitError:
                continue
            break


def _same_form(one: Any, other: Any) -> bool:
    if type(one) is not type(other):
        return False
    return all(np.array_equal(value, vars(other)[name]) for name, value in vars(one).items() if name[0] != "_")


# --- play ----------------------------------------------------------------------------------------------------------


def check_play(
    check: Promises, game: StageGame, learners: Learner | tuple[Learner, ...], seed: int, **more: Any
) -> Any:
    """Play some sessions on one thread and on two, and compare all that is recorded. Returns the result."""
    plan = check.made(
        "an experiment",
        lambda: Experiment(
            environment=game, learners=learners, length=Length(periods=200), sessions=4, seed=seed, **more
        ),
    )
    one = check.made("play", lambda: run(plan, threads=1))
    two = check.made("play on two threads", lambda: run(plan, threads=2))
    for name in one.data:
        mend = "keep nothing outside of what the engine hands over"
        check(same(one.data[name], two.data[name]), f"{name} differs between one thread and two; {mend}")
    check(np.isfinite(one.data["payoff"]).all(), "payoffs of play are not finite; look at form()")
    return one


def same(one: xr.DataArray, other: xr.DataArray) -> bool:
    """Whether two arrays have the same bits, or both none."""
    return bool(one.equals(other))
