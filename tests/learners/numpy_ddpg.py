"""Deterministic policy gradients in plain NumPy and double precision: one sample at a time, slopes by differences."""

import numpy as np
from scipy import stats

TINY = 1e-5
BEYOND = -1e9


def layers_of(trunk):
    """A network as a list of arrays: weights and biases in turn."""
    return [np.array(x, float) for layer in trunk.layers for x in layer]


def forward(arrays, x, activation):
    for k in range(0, len(arrays), 2):
        x = arrays[k] @ x + arrays[k + 1]
        if k < len(arrays) - 2:
            x = np.tanh(x) if activation == "tanh" else np.maximum(x, 0)
    return x


def clipped(x, most):
    return min(max(x, -most), most)


class Adam:
    def __init__(self, rate, largest, least=1e-8):
        self.rate, self.largest, self.least, self.steps, self.norms = rate, largest, least, 0, []
        self.first, self.second = [], []

    def step(self, parameters, slopes):
        """In place."""
        norm = np.sqrt(sum((g**2).sum() for g in slopes))
        self.norms.append(norm)
        slopes = [g * min(1.0, self.largest / norm) for g in slopes]
        self.steps += 1
        first, second = (x or [0 * g for g in slopes] for x in (self.first, self.second))
        self.first = [0.9 * m + 0.1 * g for m, g in zip(first, slopes, strict=True)]
        self.second = [0.999 * v + 0.001 * g**2 for v, g in zip(second, slopes, strict=True)]
        for p, m, v in zip(parameters, self.first, self.second, strict=True):
            p -= self.rate * m / (1 - 0.9**self.steps) / (np.sqrt(v / (1 - 0.999**self.steps)) + self.least)


def differences(parameters, loss):
    """Central ones, of a function of nothing that reads the parameters."""
    found = [0 * p for p in parameters]
    for p, slope in zip(parameters, found, strict=True):
        for at in np.ndindex(p.shape):
            kept = p[at]
            p[at] = kept + TINY
            above = loss()
            p[at] = kept - TINY
            slope[at] = (above - loss()) / (2 * TINY)
            p[at] = kept
    return found


class Agent:
    """One agent: its networks, what they aim at, and its optimisers."""

    def __init__(self, networks, targets, settings):
        self.s = settings
        self.actor, self.actor_target = layers_of(networks.actor), layers_of(targets.actor)
        self.critics, self.critic_targets = (
            [layers_of(some.critics._replace(**_one(some.critics, k))) for k in range(settings.critics)]
            for some in (networks, targets)
        )
        self.of_actor = Adam(settings.actor_rate, settings.clip_gradient)
        self.of_critics = Adam(settings.rate, settings.clip_gradient)

    def supposed(self, seen, draws):
        """What the agent will do next, by the target, in units of the limit or as a one among zeros."""
        out = forward(self.actor_target, seen, self.s.activation)
        if self.s.discrete:
            return np.eye(len(out))[np.argmax(out + stats.gumbel_r.ppf(draws))]
        out = np.tanh(out) if self.s.bound == "tanh" else out
        if self.s.smoothing:
            noise = [clipped(self.s.smoothing * z, self.s.smoothing_clip) for z in stats.norm.ppf(draws)]
            out = out + noise
            out = np.clip(out, -1, 1) if self.s.bound == "tanh" else out
        return out

    def value(self, critic, around, action):
        return forward(critic, np.concatenate([around, action]), self.s.activation)[0]

    def goals(self, samples):
        found = []
        for s in samples:
            after = min(self.value(c, s["next_around"], s["next_action"]) for c in self.critic_targets)
            found.append(self.s.reward_scale * s["reward"] + (0 if s["terminated"] else self.s.gamma * after))
        return found

    def errors(self, samples, goals):
        """Mean squared error of each critic."""
        return [
            np.mean([(self.value(c, s["around"], s["action"]) - y) ** 2 for s, y in zip(samples, goals, strict=True)])
            for c in self.critics
        ]

    def done(self, samples):
        """What the actor does, as a function of its parameters that has the right slope."""
        outputs = [forward(self.actor, s["seen"], self.s.activation) for s in samples]
        if not self.s.discrete:
            return outputs, [np.tanh(o) if self.s.bound == "tanh" else o for o in outputs]
        noisy = [o + stats.gumbel_r.ppf(s["draws"]) for o, s in zip(outputs, samples, strict=True)]
        soft = [np.exp(z / self.s.temperature) / np.exp(z / self.s.temperature).sum() for z in noisy]
        if self.away is None:  # from shares to the choice, which stays the same when parameters move a little
            self.away = [np.eye(len(p))[p.argmax()] - p for p in soft]
        return outputs, [p + a for p, a in zip(soft, self.away, strict=True)]

    def actor_loss(self, samples):
        outputs, actions = self.done(samples)
        gains = [self.value(self.critics[0], s["around"], a) for s, a in zip(samples, actions, strict=True)]
        return self.s.output_penalty * np.mean(np.square(outputs)) - np.mean(gains)

    def learn(self, samples, late):
        """One update, with the actor and the targets or without; error and size of values before it."""
        goals = self.goals(samples)
        size = np.mean([[abs(self.value(c, s["around"], s["action"])) for s in samples] for c in self.critics])
        error = np.mean(self.errors(samples, goals))
        flat = [p for c in self.critics for p in c]
        self.of_critics.step(flat, differences(flat, lambda: sum(self.errors(samples, goals))))
        if late:
            self.away = None
            self.actor_loss(samples)
            self.of_actor.step(self.actor, differences(self.actor, lambda: self.actor_loss(samples)))
            for target, main in zip(
                (self.actor_target, *self.critic_targets), (self.actor, *self.critics), strict=True
            ):
                for old, new in zip(target, main, strict=True):
                    old += self.s.target_blend * (new - old)
        return error / self.s.reward_scale**2, size / self.s.reward_scale


def _one(critics, k):
    """Fields of a single critic."""
    return {
        name: tuple(type(layer)(*(x[k] for x in layer)) for layer in getattr(critics, name))
        for name in ("hidden", "ends")
    }
