"""What players earn who mix: uniformly random play, and an equilibrium played with a little forced exploration.

These are the null models of every outcome. Expectations are exact: over the joint actions of a payoff table, over the
distribution of loads of a congestion game.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tacitlab.theory.benchmarks import Profile

if TYPE_CHECKING:
    from typing_extensions import TypeIs

    from tacitlab.games.base import Actions, CongestionForm, NormalForm

Floats = NDArray[np.float64]


class Crowd(NamedTuple):
    """Players of a congestion game who mix alike."""

    players: int
    mixture: Floats


def expected_payoffs(form: "NormalForm", mixtures: Sequence[ArrayLike]) -> Floats:
    """Expected payoff of each player, (players,), if everybody mixes on its own; the long-run mean over regimes.

    Parameters
    ----------
    form : NormalForm
    mixtures : sequence of (actions,) arrays
        Probabilities of each player's actions. Who is inactive in a regime plays its first action there.

    Examples
    --------
    >>> from tacitlab.games import PrisonersDilemma
    >>> expected_payoffs(PrisonersDilemma().form(), [[0.5, 0.5], [1, 0]])  # the second cooperates
    array([4. , 1.5])
    """
    total = np.zeros(form.players)
    for regime, share in enumerate(form.stationary()):
        payoffs = form.tensor(regime)
        for player in range(form.players):
            own = np.asarray(mixtures[player], dtype=np.float64)
            if not form.active[regime, player]:
                own = np.eye(form.shape[player])[0]
            payoffs = np.tensordot(own, payoffs, 1)
        total += share * payoffs
    return total


def crowd_payoffs(form: "CongestionForm", crowds: Sequence[Crowd]) -> Floats:
    """Expected payoff of a player of each crowd, (crowds,), if everybody mixes on its own.

    A facility's load is a sum of independent loads: its distribution is the convolution of theirs.

    Examples
    --------
    Two drivers and one jam: a driver on the shortcut needs half an hour for each who is on it, the road takes one.

    >>> from tacitlab.games import Pigou
    >>> game = Pigou(players=2)
    >>> -crowd_payoffs(game.form(), [Crowd(2, np.array([0.5, 0.5]))])
    array([0.875])
    """
    found = np.zeros(len(crowds))
    for f in range(len(form.values)):
        single = [_load(form, f, crowd.mixture) for crowd in crowds]
        powers = [_power(one, crowd.players - 1) for one, crowd in zip(single, crowds, strict=True)]
        whole = [np.convolve(power, one) for power, one in zip(powers, single, strict=True)]
        for c, crowd in enumerate(crowds):
            others = powers[c]
            for other, load in enumerate(whole):
                others = others if other == c else np.convolve(others, load)
            for action in np.flatnonzero(form.weights[:, f]):
                own = int(form.incidence[f, action])
                value = others @ form.values[f, own : own + len(others)]
                found[c] += crowd.mixture[action] * form.weights[action, f] * value
    return found + np.array([crowd.mixture @ form.own for crowd in crowds])


def random_play(form: "NormalForm | CongestionForm", actions: "Actions") -> Profile:
    """Everybody chooses uniformly at random in every period: what no learning at all earns."""
    if _of_crowd(form):
        mixture = np.full(form.actions, 1 / form.actions)
        payoffs, method = crowd_payoffs(form, [Crowd(form.players, mixture)]), "exact distribution of loads"
        quantities = {"share": mixture}
        if actions.unit:
            quantities[actions.name] = np.array([actions.values.mean()])
    else:
        mixtures = [np.full(n, 1 / n) for n in form.shape]
        payoffs, method = expected_payoffs(form, mixtures), f"mean over {int(np.prod(form.shape)):,} joint actions"
        quantities = {actions.name: actions.values.mean(axis=-1)} if actions.unit else {}
    return Profile("random play", "random", payoffs, method, quantities=quantities)


def with_exploration(form: "NormalForm | CongestionForm", profile: Profile, epsilons: float | Floats) -> Floats | None:
    """Payoffs of an equilibrium whose players choose at random with probability epsilon.

    Parameters
    ----------
    form : NormalForm or CongestionForm
    profile : Profile
        An equilibrium with actions, strategies, or shares of a crowd.
    epsilons : number or (players,) array
        Of each player; of a crowd, whose players have no names, the mean.

    Returns
    -------
    (players,) array, or (1,) for a crowd, or None
        None where the profile does not say what is played, for example off the grid.

    Examples
    --------
    Always defecting, but for one decision in ten:

    >>> from tacitlab.games import PrisonersDilemma
    >>> game = PrisonersDilemma()
    >>> with_exploration(game.form(), game.benchmarks().nash, 0.2)
    array([1.29, 1.29])
    """
    if _of_crowd(form):
        return _crowd_explores(form, profile, float(np.mean(epsilons)))
    if profile.strategies:
        played = [np.asarray(one, dtype=np.float64) for one in profile.strategies]
    elif profile.actions is not None:
        played = [np.eye(n)[a] for n, a in zip(form.shape, profile.actions, strict=True)]
    else:
        return None
    shares = np.broadcast_to(np.asarray(epsilons, dtype=np.float64), (form.players,))
    mixtures = [(1 - e) * one + e / len(one) for one, e in zip(played, shares, strict=True)]
    return expected_payoffs(form, mixtures)


def _crowd_explores(form: "CongestionForm", profile: Profile, epsilon: float) -> Floats | None:
    if "share" not in profile.quantities:
        return None
    share, uniform = profile.quantities["share"], np.full(form.actions, 1 / form.actions)
    counts = np.round(share * form.players).astype(np.int64)
    if profile.strategies or not np.allclose(counts, share * form.players, atol=1e-6):
        crowds = [Crowd(form.players, (1 - epsilon) * share + epsilon * uniform)]  # all mix as the whole is split
    else:
        pure = np.eye(form.actions)
        crowds = [Crowd(int(counts[a]), (1 - epsilon) * pure[a] + epsilon * uniform) for a in np.flatnonzero(counts)]
    numbers = np.array([crowd.players for crowd in crowds])
    return np.array([crowd_payoffs(form, crowds) @ numbers / form.players])


def _of_crowd(form: "NormalForm | CongestionForm") -> "TypeIs[CongestionForm]":
    """Whether payoffs depend on how many choose what. (Theory imports no game.)"""
    return hasattr(form, "incidence")


def _load(form: "CongestionForm", facility: int, mixture: Floats) -> Floats:
    """Distribution of the load that one player puts on a facility."""
    return np.asarray(np.bincount(form.incidence[facility], weights=mixture), dtype=np.float64)


def _power(one: Floats, times: int) -> Floats:
    """Distribution of the sum of so many independent loads."""
    found, square = np.ones(1), one
    while times:
        if times & 1:
            found = np.convolve(found, square)
        times >>= 1
        square = np.convolve(square, square) if times else square
    return found
