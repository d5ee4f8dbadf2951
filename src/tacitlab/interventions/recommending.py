"""What recommenders do in the compiled loop. Each function writes ``scene.signal``."""

from numba import uint64

from tacitlab.engine.compilation import native
from tacitlab.engine.streams import uniform


def random(game, table, scene, t):
    """A uniform signal for every agent."""
    n = uint64(table.agents.size)
    for i in range(n):
        scene.signal[i] = uint64(uniform(scene.key, t * n + i) * scene.signals)


def halves(game, table, scene, t):
    """Signal 0 for the first half, 1 for the others."""
    n = uint64(table.agents.size)
    for i in range(n):
        scene.signal[i] = uint64(0) if uint64(2) * i < n else uint64(1)


@native
def _survey(table, scene, actions):
    """For every agent and action: the state to show (plus one), and what the agent expects of the action there.

    Of several, the state of least value for a wanted action, of greatest value for an unwanted one.
    """
    for i in range(uint64(table.agents.size)):
        agent = table.agents[i]
        first, step = i * actions, agent.n_states // scene.signals
        for a in range(actions):
            scene.places[first + a] = uint64(0)
        for s in range(scene.signals):
            a = table.greedy[agent.cell + step * s]
            value, place = table.values[agent.row + step * s * actions + a], first + a
            better = value < scene.memory[place] if scene.numbers[a] > 0.0 else value > scene.memory[place]
            if scene.places[place] == uint64(0) or better:
                scene.places[place], scene.memory[place] = s + uint64(1), value


@native
def _settle_clear(scene, n, actions, sent, count):
    """Send those who have no choice among wanted actions; returns how many were lost to unwanted ones."""
    lost = uint64(0)
    for i in range(n):
        first, wanted, last, best = i * actions, uint64(0), uint64(0), actions
        for a in range(actions):
            if scene.places[first + a] == uint64(0):
                continue
            if scene.numbers[a] > 0.0:
                wanted, last = wanted + uint64(1), a
            elif best == actions or scene.memory[first + a] > scene.memory[first + best]:
                best = a
        scene.places[sent + i] = uint64(0)
        if wanted == uint64(1):
            scene.places[sent + i] = last + uint64(1)
            scene.places[count + last] += uint64(1)
        elif wanted == uint64(0):
            scene.places[sent + i] = best + uint64(1)
            lost += uint64(1)
    return lost


@native
def _share(scene, n, left, actions, count, wish):
    """How many of the ``left`` agents each action should have: in the target's proportion, whole numbers.

    What rounding leaves goes to the largest remainders; of equal ones, to the action with more agents already.
    """
    given = uint64(0)
    for a in range(actions):
        scene.places[wish + a] = uint64(scene.numbers[a] * left / n)
        given += scene.places[wish + a]
    while given < left:
        best, most = actions, 0.0
        for a in range(actions):
            if scene.numbers[a] == 0.0:
                continue
            rest = scene.numbers[a] * left / n - scene.places[wish + a]
            if (
                best == actions
                or rest > most
                or (rest == most and scene.places[count + a] > scene.places[count + best])
            ):
                best, most = a, rest
        scene.places[wish + best] += uint64(1)
        given += uint64(1)


@native
def _next_action(scene, actions, count, done):
    """The wanted action with the fewest agents for its share, of those not done; the last of equals."""
    best, least = actions, 0.0
    for a in range(actions):
        if scene.numbers[a] == 0.0 or scene.places[done + a] != uint64(0):
            continue
        filled = scene.places[count + a] / scene.numbers[a]
        if best == actions or filled <= least:
            best, least = a, filled
    return best


@native
def _expects_less(scene, actions, i, j, a):
    """Whether agent i comes after agent j in the queue for an action."""
    one, other = scene.memory[i * actions + a], scene.memory[j * actions + a]
    return one < other or (one == other and i > j)


@native
def _sink(scene, actions, queue, place, size, a):
    """Restore the heap of agents below ``place``: who expects least of action a is at the top."""
    while True:
        child = uint64(2) * place + uint64(1)
        if child >= size:
            return
        right = child + uint64(1)
        if right < size and _expects_less(scene, actions, scene.places[queue + right], scene.places[queue + child], a):
            child = right
        above, below = scene.places[queue + place], scene.places[queue + child]
        if not _expects_less(scene, actions, below, above, a):
            return
        scene.places[queue + place], scene.places[queue + child] = below, above
        place = child


@native
def _fill(scene, n, actions, sent, queue, count, room, a):
    """Send up to ``room`` undecided agents to action a, those who expect most of it: a heap keeps the best."""
    size = uint64(0)
    for i in range(n):
        if scene.places[sent + i] != uint64(0) or scene.places[i * actions + a] == uint64(0):
            continue
        if size < room:
            scene.places[queue + size] = i
            size += uint64(1)
            if size == room:
                for k in range(size // uint64(2)):
                    _sink(scene, actions, queue, size // uint64(2) - uint64(1) - k, size, a)
        elif _expects_less(scene, actions, scene.places[queue], i, a):
            scene.places[queue] = i
            _sink(scene, actions, queue, uint64(0), size, a)
    for k in range(size):
        scene.places[sent + scene.places[queue + k]] = a + uint64(1)
    scene.places[count + a] += size


@native
def _leftover(scene, actions, first, count, wish):
    """The wanted action in reach of an agent that lacks most agents; the first of equals."""
    best = actions
    for a in range(actions):
        if scene.numbers[a] == 0.0 or scene.places[first + a] == uint64(0):
            continue
        if best == actions or (
            scene.places[wish + a] + scene.places[count + best] > scene.places[wish + best] + scene.places[count + a]
        ):
            best = a
    return best


@native
def _estimate(game, scene, actions, a):
    """What action a would cost at the expected numbers of agents in ``scene.memory``; lines between whole loads."""
    found = -game.own[a]
    for f in range(uint64(game.values.shape[0])):
        load, top = 0.0, uint64(game.values.shape[1] - 1)
        for b in range(actions):
            load += game.incidence[f, b] * scene.memory[b]
        below = min(uint64(load), top)
        above = min(below + uint64(1), top)
        value = game.values[f, below]
        found -= game.weights[a, f] * (value + (load - below) * (game.values[f, above] - value))
    return found


@native
def _unaligned(game, table, scene, n, actions, lost):
    """What those are told whom no state makes take the action of its name; see :class:`Recommender`."""
    unwanted = uint64(0)
    for a in range(actions):
        unwanted += uint64(scene.numbers[a] == 0.0)
    for a in range(actions):
        scene.memory[a] = scene.numbers[a]
        if unwanted > uint64(0):
            rest = lost / unwanted
            scene.memory[a] = scene.numbers[a] * (n - lost) / n if scene.numbers[a] > 0.0 else rest
    told, most = uint64(0), 0.0
    for s in range(actions):
        worth = 0.0
        for i in range(n):
            agent = table.agents[i]
            state = agent.n_states // scene.signals * s
            worth += table.values[agent.row + state * actions + table.greedy[agent.cell + state]]
        worth = worth / n + _estimate(game, scene, actions, s)
        if s == uint64(0) or worth > most:
            told, most = s, worth
    return told


def aligned(game, table, scene, t):
    """State k for action k, to whom it makes take it; balanced towards the counts in ``scene.numbers``.

    ``scene.places``: what each agent is told (plus one; 0: not known yet; more than actions: it has a choice), then by
    action how many are told it. ``scene.memory``: by action how many are expected there.
    """
    n, actions = uint64(table.agents.size), uint64(game.own.size)
    lost, count, open_choice = uint64(0), n, actions + uint64(1)
    for a in range(actions):
        scene.places[count + a] = uint64(0)
    for i in range(n):
        agent = table.agents[i]
        step, wanted, last, other = agent.n_states // scene.signals, uint64(0), uint64(0), actions
        for a in range(actions):
            if table.greedy[agent.cell + step * a] != a:
                continue
            if scene.numbers[a] > 0.0:
                wanted, last = wanted + uint64(1), a
            elif other == actions:
                other = a
        scene.places[i] = uint64(0)
        if wanted == uint64(1):
            scene.places[i] = last + uint64(1)
            scene.places[count + last] += uint64(1)
        elif wanted > uint64(1):
            scene.places[i] = open_choice
        else:
            lost += uint64(1)
            if other < actions:
                scene.places[i] = other + uint64(1)
    for k in range(n):
        i = n - uint64(1) - k
        if scene.places[i] != open_choice:
            continue
        agent, best, least = table.agents[i], actions, 0.0
        step = agent.n_states // scene.signals
        for a in range(actions):
            if scene.numbers[a] == 0.0 or table.greedy[agent.cell + step * a] != a:
                continue
            filled = scene.places[count + a] / scene.numbers[a]
            if best == actions or filled <= least:
                best, least = a, filled
        scene.places[i] = best + uint64(1)
        scene.places[count + best] += uint64(1)
    told = _unaligned(game, table, scene, n, actions, lost)
    for i in range(n):
        scene.signal[i] = told if scene.places[i] == uint64(0) else scene.places[i] - uint64(1)


def optimised(game, table, scene, t):
    """Belief improvement towards the target counts in ``scene.numbers``; see :class:`Recommender`.

    ``scene.places``: the state to show by agent and action, where each agent is sent, a queue; by action: how many
    were sent, how many should be, whether it is done. ``scene.memory``: expectations by agent and action.
    """
    n, actions = uint64(table.agents.size), uint64(game.own.size)
    sent = n * actions
    queue = sent + n
    count = queue + n
    wish, done = count + actions, count + uint64(2) * actions
    _survey(table, scene, actions)
    for k in range(uint64(3) * actions):
        scene.places[count + k] = uint64(0)
    lost = _settle_clear(scene, n, actions, sent, count)
    _share(scene, n, n - lost, actions, count, wish)
    a = _next_action(scene, actions, count, done)
    while a < actions:
        if scene.places[wish + a] > scene.places[count + a]:
            _fill(scene, n, actions, sent, queue, count, scene.places[wish + a] - scene.places[count + a], a)
        scene.places[done + a] = uint64(1)
        a = _next_action(scene, actions, count, done)
    for i in range(n):
        if scene.places[sent + i] == uint64(0):
            a = _leftover(scene, actions, i * actions, count, wish)
            scene.places[sent + i] = a + uint64(1)
            scene.places[count + a] += uint64(1)
        scene.signal[i] = scene.places[i * actions + scene.places[sent + i] - uint64(1)] - uint64(1)
