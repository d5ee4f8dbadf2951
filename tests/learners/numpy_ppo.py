"""Policy gradients in plain NumPy and double precision: slow, and with slopes by finite differences."""

import numpy as np

TINY = 1e-5


def advantages(rewards, values, next_values, terminated, truncated, discount, trace):
    """Each advantage as a sum of its own: errors of the following steps until the episode ends."""
    found = []
    for t in range(len(rewards)):
        total, weight = 0.0, 1.0
        for k in range(t, len(rewards)):
            after = 0.0 if terminated[k] else next_values[k]
            total += weight * (rewards[k] + discount * after - values[k])
            if terminated[k] or truncated[k]:
                break
            weight *= discount * trace
        found.append(total)
    return np.array(found)


def forward(layers, x):
    """Outputs of one observation."""
    for k, (weight, bias) in enumerate(layers):
        x = np.array([sum(w * v for w, v in zip(row, x, strict=True)) for row in weight]) + bias
        if k < len(layers) - 1:
            x = np.tanh(x)
    return x


class Agent:
    """One pair of networks, as a list of arrays, with its optimiser."""

    def __init__(self, networks, actions, *, clip=None, value_clip=False, value_weight=0.5, entropy_weight=0.01,
                 clip_gradient=0.5, rate=1e-2, adam=True, normalise=True):  # fmt: skip
        self.depth = len(networks.actor.layers)
        parts = [x for layer in (*networks.actor.layers, *networks.critic.layers) for x in layer] + [networks.log_sd]
        self.parameters = [np.array(x, float) for x in parts]
        self.discrete, self.clip, self.value_clip = actions == "discrete", clip, value_clip
        self.value_weight, self.entropy_weight = value_weight, entropy_weight
        self.clip_gradient, self.rate, self.adam, self.normalise = clip_gradient, rate, adam, normalise
        self.first = [0 * p for p in self.parameters]
        self.second = [0 * p for p in self.parameters]
        self.steps, self.norms = 0, []

    def outputs(self, x, critic=False):
        begin = 2 * self.depth * critic
        part = self.parameters[begin : begin + 2 * self.depth]
        return forward(list(zip(part[::2], part[1::2], strict=True)), x)

    def value(self, x):
        return self.outputs(x, critic=True)[0]

    def log_probability_and_entropy(self, x, action):
        out, log_sd = self.outputs(x), self.parameters[-1]
        if self.discrete:
            p = np.exp(out) / np.exp(out).sum()
            return np.log(p[int(action[0])]), -(p * np.log(p)).sum()
        sd = np.exp(log_sd)
        logs = np.log(np.exp(-((action - out) ** 2) / (2 * sd**2)) / (sd * np.sqrt(2 * np.pi)))
        return logs.sum(), (0.5 * np.log(2 * np.pi * np.e * sd**2)).sum()

    def loss(self, samples):
        """Samples: (observation, action, old log-probability, old value, advantage)."""
        scaled = np.array([s[4] for s in samples])
        if self.normalise:
            scaled = (scaled - scaled.mean()) / scaled.std()
        total = 0.0
        for (x, action, old, old_value, advantage), a in zip(samples, scaled, strict=True):
            log, entropy = self.log_probability_and_entropy(x, action)
            target, value = old_value + advantage, self.value(x)
            if self.clip is None:
                gain = log * a
            else:
                ratio = np.exp(log - old)
                gain = min(ratio * a, min(max(ratio, 1 - self.clip), 1 + self.clip) * a)
            error = (value - target) ** 2
            if self.value_clip:
                near = old_value + min(max(value - old_value, -self.clip), self.clip)
                error = max(error, (near - target) ** 2)
            total += self.value_weight * error - gain - self.entropy_weight * entropy
        return total / len(samples)

    def slopes(self, samples):
        """Central differences."""
        found = [0 * p for p in self.parameters]
        for p, slope in zip(self.parameters, found, strict=True):
            for at in np.ndindex(p.shape):
                kept = p[at]
                p[at] = kept + TINY
                above = self.loss(samples)
                p[at] = kept - TINY
                slope[at] = (above - self.loss(samples)) / (2 * TINY)
                p[at] = kept
        return found

    def step(self, samples):
        """One gradient step: clipped, then Adam."""
        slopes = self.slopes(samples)
        norm = np.sqrt(sum((g**2).sum() for g in slopes))
        self.norms.append(norm)
        slopes = [g * min(1.0, self.clip_gradient / norm) for g in slopes]
        self.steps += 1
        if self.adam:
            self.first = [0.9 * m + 0.1 * g for m, g in zip(self.first, slopes, strict=True)]
            self.second = [0.999 * v + 0.001 * g**2 for v, g in zip(self.second, slopes, strict=True)]
            slopes = [
                m / (1 - 0.9**self.steps) / (np.sqrt(v / (1 - 0.999**self.steps)) + 1e-5)
                for m, v in zip(self.first, self.second, strict=True)
            ]
        self.parameters = [p - self.rate * g for p, g in zip(self.parameters, slopes, strict=True)]

    def samples(self, lived, discount, trace):
        """What one agent has lived through, ready to learn from; also used to pool agents."""
        values = np.array([self.value(x) for x in lived.observation])
        after = np.array([self.value(x) for x in lived.next_observation])
        gains = advantages(lived.reward, values, after, lived.terminated, lived.truncated, discount, trace)
        return [
            (x.astype(float), u.astype(float), self.log_probability_and_entropy(x, u)[0], v, a)
            for x, u, v, a in zip(lived.observation, lived.action, values, gains, strict=True)
        ]
