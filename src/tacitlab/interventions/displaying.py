"""What platform rules do in the compiled loop, when prices are set. Numbers: see ``platform.display_numbers``.

``start`` is where prices, profits and surplus begin in ``scene.numbers``, behind the rule's own numbers.
"""

from numba import uint64

from tacitlab.engine.compilation import native
from tacitlab.engine.streams import uniform


@native
def _price(table, scene, start, i):
    return scene.numbers[start + i * table.agents[i].n_actions + table.agents[i].last]


@native
def _sell(game, table, scene, start, joint, mask):
    """Pay everybody what it earns when the sellers in ``mask`` are shown; returns consumer surplus."""
    n, rows = uint64(table.agents.size), uint64(game.payoffs.shape[1])
    profits = start + n * table.agents[0].n_actions
    for i in range(n):
        table.agents[i].payoff = scene.numbers[profits + (mask * rows + joint) * n + i]
    return scene.numbers[profits + (rows * n << n) + mask * rows + joint]


@native
def _before(table, scene, start, t, i, j, lots):
    """Whether seller i is listed before seller j: cheaper, or of one price and luckier."""
    mine, other = _price(table, scene, start, i), _price(table, scene, start, j)
    if mine != other:
        return mine < other
    n = uint64(table.agents.size)
    return lots and uniform(scene.key, t * n + i) < uniform(scene.key, t * n + j)


def prominence(game, table, scene, t, joint, regime):
    """The cheapest are shown. Numbers: how many, whether lots decide."""
    n, start, lots, mask = uint64(table.agents.size), uint64(2), scene.numbers[1] != 0.0, uint64(0)
    for i in range(n):
        ahead = 0.0
        for j in range(n):
            if j != i and _before(table, scene, start, t, j, i, lots):
                ahead += 1.0
        if ahead < scene.numbers[0]:
            mask += uint64(1) << i
    _sell(game, table, scene, start, joint, mask)


def dynamic(game, table, scene, t, joint, regime):
    """Who has the place keeps it while its price is low. Number: advantage. Places: seller plus one, its action."""
    n, start = uint64(table.agents.size), uint64(1)
    cheapest = uint64(0)
    for i in range(uint64(1), n):
        if _before(table, scene, start, t, i, cheapest, True):
            cheapest = i
    holder, keeps = scene.places[0], False
    if holder != uint64(0):
        i = holder - uint64(1)
        promised = scene.numbers[start + i * table.agents[i].n_actions + scene.places[1]]
        price = _price(table, scene, start, i)
        keeps = price <= promised and price <= _price(table, scene, start, cheapest) + scene.numbers[0]
    if not keeps:
        scene.places[0], scene.places[1] = cheapest + uint64(1), table.agents[cheapest].last
    _sell(game, table, scene, start, joint, uint64(1) << (scene.places[0] - uint64(1)))


def tell_incumbent(game, table, scene, t):
    """Signal 1 for the seller that has the place."""
    for i in range(uint64(table.agents.size)):
        scene.signal[i] = uint64(1) if scene.places[0] == i + uint64(1) else uint64(0)


@native
def _next_arm(scene, arms, t):
    """The first threshold not tried yet; the best or, with probability epsilon, any."""
    for a in range(arms):
        if scene.places[uint64(2) + a] == uint64(0):
            return a
    u, epsilon = uniform(scene.key, t), scene.numbers[3]
    if u < epsilon:
        return min(uint64(u / epsilon * arms), arms - uint64(1))
    best = uint64(0)
    for a in range(uint64(1), arms):
        if scene.memory[a] > scene.memory[best]:
            best = a
    return best


def threshold(game, table, scene, t, joint, regime):
    """Sellers above the platform's threshold are hidden.

    Numbers: arms, hold, alpha, epsilon, thresholds. Places: arm, periods that it has been held, tries by arm. Memory:
    value by arm, surplus since the arm was chosen.
    """
    n, arms, mask = uint64(table.agents.size), uint64(scene.numbers[0]), uint64(0)
    start = uint64(4) + arms
    if scene.places[1] == uint64(0):
        scene.places[0] = _next_arm(scene, arms, t)
    arm = scene.places[0]
    for i in range(n):
        if _price(table, scene, start, i) <= scene.numbers[uint64(4) + arm]:
            mask += uint64(1) << i
    scene.memory[arms] += _sell(game, table, scene, start, joint, mask)
    scene.places[1] += uint64(1)
    if scene.places[1] >= uint64(scene.numbers[1]):
        reward, tries = scene.memory[arms] / scene.places[1], scene.places[uint64(2) + arm]
        step = 1.0 if tries == uint64(0) else scene.numbers[2]
        scene.memory[arm] += step * (reward - scene.memory[arm])
        scene.places[uint64(2) + arm] += uint64(1)
        scene.places[1], scene.memory[arms] = uint64(0), 0.0
