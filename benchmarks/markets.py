"""How fast economies with state are learned in, and how far that is from what the machine could do.

The resource market with tabular Q-learners: two traders in many sessions, and a thousand traders in a few; the token
economy with 50 agents who learn by PPO (two hidden layers of 64, four epochs); the order book, which a maker, an
informed and four noise traders use by rules. Prints market steps and agent-steps a second, beside the same market and
learners in NumPy, sessions vectorised, and beside a bound: for Q-learners the speed at which random numbers alone are
drawn, for PPO the speed at which the machine multiplies matrices.

``python benchmarks/markets.py [--seconds S]``
"""

import argparse
import itertools
import time
from collections.abc import Callable

import jax
import numpy as np
from deep import machine_speed

from tacitlab.engine import deep
from tacitlab.lab.deep_play import MarketWork
from tacitlab.lab.experiment import Experiment, Length
from tacitlab.lab.playing import cores
from tacitlab.learners import PPO, Constant, ConstantValue, QLearning, Rule
from tacitlab.markets import OrderBook, ResourceMarket, TokenEconomy
from tacitlab.markets.token.parts import PrivateValues

Q_LEARNER = QLearning(
    alpha=0.1, gamma=0.95, initial=ConstantValue(value=0), exploration=Constant(epsilon=0.1), ties="random"
)
DRAWS = 2  # of the random generator for an agent's step: its key, and what it draws with it


def training(experiment: Experiment, steps: int, seconds: float) -> tuple[float, float]:
    """Market steps a second, all sessions together, once compiled; and the time to compile."""
    began = time.perf_counter()
    plan = MarketWork.of(experiment).plans[0]
    crew = deep.Crew(deep.crew(cores()).mesh)
    keys = crew.keys(1, 0, experiment.sessions)
    play, _ = jax.block_until_ready(crew.advance(plan.table, keys, crew.begin(plan.table, keys), 0, steps))
    compiling, best, done = time.perf_counter() - began, 0.0, steps
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        began = time.perf_counter()
        play, _ = jax.block_until_ready(crew.advance(plan.table, keys, play, done, steps))
        best, done = max(best, experiment.sessions * steps / (time.perf_counter() - began)), done + steps
    return best, compiling


def drawing(seconds: float) -> float:
    """Random numbers a second, all cores."""
    crew = deep.crew(cores())
    keys = crew.keys(1, 0, crew.mesh.size)
    draw = jax.jit(jax.vmap(lambda key: jax.random.bits(key, (1_000_000,)).sum()))
    return best_of(lambda: jax.block_until_ready(draw(keys)), seconds, crew.mesh.size * 1_000_000)


def best_of(work: Callable[[], object], seconds: float, units: float) -> float:
    """Units a second of the fastest of several repetitions."""
    work()
    best, until = 0.0, time.perf_counter() + seconds
    while time.perf_counter() < until:
        began = time.perf_counter()
        work()
        best = max(best, units / (time.perf_counter() - began))
    return best


def numpy_loop(market: ResourceMarket, sessions: int, steps: int) -> float:
    """Market steps a second of the same thing in NumPy, step by step, all sessions at once (mark-to-market)."""
    random, n = np.random.default_rng(0), market.traders
    place = (np.arange(sessions)[:, None], np.arange(n)[None])
    values = np.zeros((sessions, n, 27, 9))
    price, held = np.full(sessions, market.price), np.full((sessions, n), float(market.inventory))
    state = np.full((sessions, n), 13)
    began = time.perf_counter()
    for _ in range(steps):
        explore = random.random((sessions, n)) < 0.1
        chosen = np.where(explore, random.integers(0, 9, (sessions, n)), values[(*place, state)].argmax(axis=2))
        side, signal = chosen // 3 - 1, chosen % 3 - 1
        allowed = (held + side >= market.lowest) & (held + side <= market.highest)
        trade = np.where(allowed, side, 0)
        net = trade.sum(axis=1)
        change = market.alpha * net + market.volatility * random.standard_normal(sessions)
        after, held = price * np.exp(change), held + trade
        gain = held * (after - price)[:, None] + trade * (price - price * np.exp(market.alpha * net))[:, None]
        trend = 1 + (change > market.band).astype(int) - (change < -market.band)
        level = (held >= market.levels[0]).astype(int) + (held >= market.levels[1])
        heard = 1 + np.sign(signal.sum(axis=1, keepdims=True) - signal)
        new = trend[:, None] * 9 + level * 3 + heard
        goal = gain + 0.95 * values[(*place, new)].max(axis=2)
        values[(*place, state, chosen)] += 0.1 * (goal - values[(*place, state, chosen)])
        price, state = after, new
    return sessions * steps / (time.perf_counter() - began)


def resource(traders: int, sessions: int, steps: int, seconds: float, bound: float) -> None:
    """One line about the resource market."""
    market = ResourceMarket(traders=traders, execution="post", valuation="mark-to-market", impact_scaling="per-agent")
    experiment = Experiment(environment=market, learners=Q_LEARNER, length=Length(episodes=500), sessions=sessions)
    speed, compiling = training(experiment, steps, seconds)
    naive = numpy_loop(market, sessions, max(20, 200 // sessions))
    limit = bound / (DRAWS * traders)
    print(
        f"{f'resource, {traders} traders, {sessions} sessions':50s} {speed:12.3g} {speed * traders:14.3g} "
        f"{speed / naive:8.1f} {speed / limit:9.0%} {compiling:9.1f}"
    )


def token(parameters: str, sessions: int, seconds: float, speed: float) -> None:
    """One line about PPO in the token economy, with networks of each agent's own or one for all."""
    market = TokenEconomy(utility=PrivateValues())
    learner = PPO(parameters=parameters)
    experiment = Experiment(environment=market, learners=learner, length=Length(episodes=500), sessions=sessions)
    found, compiling = training(experiment, 4 * learner.rollout, seconds)
    limit = speed / operations(market, learner)
    name = f"token, 50 agents, PPO, {parameters} networks, {sessions} sessions"
    print(f"{name:50s} {found:12.3g} {found * 50:14.3g} {'':8s} {found * 50 / limit:9.0%} {compiling:9.1f}")


def order_book(sessions: int, seconds: float) -> None:
    """One line about the order book among scripted traders; how many orders and cancellations that is."""
    market = OrderBook(order_size=3.0)
    rules = [Rule(rule=rule, agents=n) for rule, n in (("inventory", 1), ("informed", 1), ("zero-intelligence", 4))]
    experiment = Experiment(environment=market, learners=rules, length=Length(episodes=500), sessions=sessions)
    found, compiling = training(experiment, 1000, seconds)
    name, agents = f"order book, scripted traders, {sessions} sessions", market.n_players
    print(f"{name:50s} {found:12.3g} {found * agents:14.3g} {'':8s} {'':9s} {compiling:9.1f}")
    print(f"{'  turns of the book a second':50s} {found * (agents + 2 * market.makers):12.3g}")


def operations(market: TokenEconomy, learner: PPO) -> float:
    """Operations of networks for an agent's step: acting, judging what was lived through, and learning from it."""
    role = market.roles()[0]
    sizes = itertools.pairwise((len(role.observes), *learner.hidden))
    inner = 2 * sum(one * two for one, two in sizes)
    actor, critic = inner + 2 * learner.hidden[-1] * role.actions.size, inner + 2 * learner.hidden[-1]
    return actor + (actor + 2 * critic) + 3 * learner.epochs * (actor + critic)


def main() -> None:
    """Print everything."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--seconds", type=float, default=10.0)
    given = arguments.parse_args()
    bound = drawing(given.seconds / 5)
    print(f"{cores()} cores draw {bound / 1e6:.0f} million random numbers a second")
    speed = machine_speed()
    print(f"and multiply matrices at {speed / 1e9:.0f} Gflop/s")
    print(f"{'':50s} {'market steps/s':>12s} {'agent-steps/s':>14s} {'NumPy':>8s} {'of limit':>9s} {'compile s':>9s}")
    resource(2, 1024, 1000, given.seconds, bound)
    resource(2, 20, 1000, given.seconds, bound)
    resource(1000, 8, 400, given.seconds, bound)
    token("shared", 8, given.seconds, speed)
    token("own", 8, given.seconds, speed)
    order_book(64, given.seconds)


if __name__ == "__main__":
    main()
