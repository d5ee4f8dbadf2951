"""Drivers with a recommender, written from the definitions in plain NumPy; only the draws are the engine's.

``published`` is the rule for Braess's paradox as its authors describe it, estimates included. ``towards`` is the rule
for any target, with sorted lists instead of heaps.
"""

import numpy as np

from tacitlab.engine.streams import INITIAL_STATE, INITIAL_VALUES, INTERVENTION, PLAY, tape


def published(q):
    """State to show to each driver, given values (drivers, states, actions up, down, cross)."""
    n, m, _ = q.shape
    best = q.argmax(axis=2)
    reach = [{a for a in range(3) if (best[i] == a).any()} for i in range(n)]
    up_only = [i for i in range(n) if 0 in reach[i] and 1 not in reach[i]]
    down_only = [i for i in range(n) if 1 in reach[i] and 0 not in reach[i]]
    flexible = [i for i in range(n) if {0, 1} <= reach[i]]
    crossing = [i for i in range(n) if reach[i] == {2}]
    x = len(crossing) / n
    estimate = [1 + (1 - x) / 2 + x, 1 + (1 - x) / 2 + x, 1 + x]

    def improvement(i, s, a):
        return -estimate[a] - q[i, s, a]

    def states(i, a):
        return [s for s in range(m) if best[i, s] == a]

    def largest(i, a):
        return max(improvement(i, s, a) for s in states(i, a))

    wanted = dict.fromkeys(up_only, 0) | dict.fromkeys(down_only, 1) | dict.fromkeys(crossing, 2)
    minority = 1 if len(up_only) >= len(down_only) else 0
    d = abs(len(up_only) - len(down_only))
    there = len(flexible) if d >= len(flexible) else d + (len(flexible) - d) // 2
    queue = sorted(flexible, key=lambda i: largest(i, minority))
    wanted |= dict.fromkeys(queue[:there], minority) | dict.fromkeys(queue[there:], 1 - minority)
    shown = []
    for i in range(n):
        a = wanted[i]
        pick = min if a == 2 else max
        shown.append(pick(states(i, a), key=lambda s, i=i, a=a: improvement(i, s, a)))
    return np.array(shown)


def published_aligned(q):
    """The authors' other rule, of their public code: state k stands for action k; q is (drivers, 3, 3)."""
    n = len(q)
    does = q.argmax(axis=2) == np.arange(3)
    told = np.full(n, -1)
    up, down, cross = does.T
    told[up & ~down], told[down & ~up], told[cross & ~up & ~down] = 0, 1, 2
    ahead = int((told == 0).sum() - (told == 1).sum())
    for i in np.flatnonzero(up & down)[::-1]:  # to whichever road has fewer; with as many on both, down
        told[i] = 1 if ahead >= 0 else 0
        ahead += 1 if told[i] == 0 else -1
    x = ((told == 2).sum() + (told == -1).sum()) / n
    estimate = np.array([1 + (1 - x) / 2 + x, 1 + (1 - x) / 2 + x, 1 + x])
    told[told == -1] = (estimate + q.max(axis=2).mean(axis=0)).argmax()
    return told


def towards(q, target):
    """State to show to each driver, given values and the numbers of drivers wanted on each action."""
    n, m, actions = q.shape
    best, wanted = q.argmax(axis=2), [a for a in range(actions) if target[a] > 0]
    show, value = {}, {}
    for i in range(n):
        for a in range(actions):
            states = [s for s in range(m) if best[i, s] == a]
            if states:
                pick = min if a in wanted else max
                show[i, a] = pick(states, key=lambda s, i=i, a=a: q[i, s, a])
                value[i, a] = q[i, show[i, a], a]
    sent, count = {}, dict.fromkeys(range(actions), 0)
    for i in range(n):
        good = [a for a in wanted if (i, a) in show]
        if len(good) == 1:
            sent[i] = good[0]
            count[good[0]] += 1
        elif not good:
            sent[i] = max((a for a in range(actions) if (i, a) in show), key=lambda a, i=i: value[i, a])
    left = n - sum(a not in wanted for a in sent.values())
    ideal = {a: target[a] * left / n for a in wanted}
    wish = {a: int(ideal[a]) for a in wanted}
    for a in sorted(wanted, key=lambda a: (-(ideal[a] - int(ideal[a])), -count[a], a))[: left - sum(wish.values())]:
        wish[a] += 1
    todo = list(wanted)
    while todo:
        a = min(reversed(todo), key=lambda a: count[a] / target[a])
        todo.remove(a)
        queue = sorted((i for i in range(n) if i not in sent and (i, a) in show), key=lambda i, a=a: (-value[i, a], i))
        for i in queue[: max(wish[a] - count[a], 0)]:
            sent[i] = a
            count[a] += 1
    for i in range(n):
        if i not in sent:
            sent[i] = max((a for a in wanted if (i, a) in show), key=lambda a: wish[a] - count[a])
            count[sent[i]] += 1
    return np.array([show[i, sent[i]] for i in range(n)])


def play(form, advise, *, states, periods, alpha, gamma, knots, values, seed, session, own_memory=False):
    """Actions (periods, drivers) and final values (drivers, states, actions) of Q-learners with uniform values.

    ``advise(q, t, draws)`` gives the states to show, from values without the last payoff if gamma is positive.
    """
    n, actions = form.players, form.actions
    codes = actions if own_memory else 1
    rows = codes * states
    low, high = values
    q = low + (high - low) * tape(seed, session, INITIAL_VALUES, n * rows * actions).reshape(n, rows, actions)
    draws = tape(seed, session, PLAY, n * periods).reshape(periods, n)
    advice = tape(seed, session, INTERVENTION, n * (periods + 1)).reshape(periods + 1, n)
    history = (tape(seed, session, INITIAL_STATE, n) * actions).astype(int) if own_memory else np.zeros(n, int)
    epsilon, log, pending = knots[0][1], [], None
    agents = np.arange(n)
    for t in range(periods + 1):
        view = q.reshape(n, states, codes, actions)[agents, :, history]
        state = history + codes * advise(view, t, advice[t])
        if pending is not None:
            before, chosen, payoff = pending
            target = payoff + gamma * q[agents, state].max(axis=1)
            q[agents, before, chosen] += alpha * (target - q[agents, before, chosen])
        if t == periods:
            return np.array(log), q
        if t > 0:
            epsilon = epsilon * knots[0][2] + knots[0][3]
        explores = draws[t] < epsilon
        action = np.where(explores, (draws[t] / epsilon * actions).astype(int), q[agents, state].argmax(axis=1))
        payoff = form.payoffs(np.bincount(action, minlength=actions))[action]
        log.append(action)
        if gamma == 0:
            q[agents, state, action] += alpha * (payoff - q[agents, state, action])
        else:
            pending = state, action, payoff
        history = action if own_memory else history
    raise AssertionError


def aligned_towards(q, form, target):
    """Alignment for any target: state k stands for action k; the others are told what is best of what they expect."""
    n, actions = len(q), form.actions
    does = q[:, :actions].argmax(axis=2) == np.arange(actions)
    wanted = [a for a in range(actions) if target[a] > 0]
    unwanted = [a for a in range(actions) if target[a] == 0]
    told, count = {}, dict.fromkeys(wanted, 0)
    for i in range(n):
        good = [a for a in wanted if does[i, a]]
        if len(good) == 1:
            told[i] = good[0]
            count[good[0]] += 1
        elif not good and any(does[i, a] for a in unwanted):
            told[i] = next(a for a in unwanted if does[i, a])
    lost = sum(not does[i, wanted].any() for i in range(n))
    for i in reversed(range(n)):
        if i not in told and does[i, wanted].any():
            told[i] = min((a for a in reversed(wanted) if does[i, a]), key=lambda a: count[a] / target[a])
            count[told[i]] += 1
    crowd = np.array(target, float)
    if unwanted:
        crowd[wanted] *= (n - lost) / n
        crowd[unwanted] = lost / len(unwanted)
    loads = np.arange(form.values.shape[1])
    values = [np.interp(load, loads, row) for load, row in zip(form.incidence @ crowd, form.values, strict=True)]
    estimate = -form.own - form.weights @ np.array(values)
    best = (estimate + q[:, :actions].max(axis=2).mean(axis=0)).argmax()
    return np.array([told.get(i, best) for i in range(n)])
