"""Deep Q-learning in plain NumPy and double precision: forward, backward by hand, targets, clipping, Adam."""

import numpy as np

SLOPE = 0.01


class Net:
    """Weights and biases as lists; knows its own derivative."""

    def __init__(self, network):
        layers = [] if network.embedding is None else [network.embedding]
        layers += network.layers
        self.parameters = [np.array(x, float) for layer in layers for x in layer]
        self.rectified = [network.embedding is None or k > 0 for k in range(len(layers))]
        self.rectified[-1] = False

    def __call__(self, x):
        return self.traced(x)[0]

    def traced(self, x):
        """Outputs, and what each layer saw and said before its rectifier."""
        trace = []
        for k, rectified in enumerate(self.rectified):
            weight, bias = self.parameters[2 * k : 2 * k + 2]
            said = np.array([sum(w * v for w, v in zip(row, x, strict=True)) for row in weight]) + bias
            trace.append((np.array(x), said))
            x = np.array([v if v > 0 else SLOPE * v for v in said]) if rectified else said
        return x, trace

    def slopes(self, trace, outer):
        """Derivatives of ``outer . outputs`` by all parameters, back through the layers."""
        found = []
        for k in reversed(range(len(self.rectified))):
            x, said = trace[k]
            inner = outer * np.where(said > 0, 1.0, SLOPE) if self.rectified[k] else outer
            found = [np.outer(inner, x), inner, *found]
            outer = inner @ self.parameters[2 * k]
        return found


class Learner:
    """What it takes to make one gradient step."""

    def __init__(self, market, *, output, dueling=False, double=True, discount=0.9, rate=1e-2, clip=1.0):
        self.market, self.output, self.dueling, self.double = market, output, dueling, double
        self.discount, self.rate, self.clip = discount, rate, clip
        self.first = self.second = None
        self.steps = 0

    def values(self, net, observation):
        """Values of the feasible actions."""
        feasible = self.market.candidates(observation)
        if not self.output:
            return [net(self.market.inputs(observation, action))[0] for action in feasible]
        out = net(self.market.features(observation))
        if self.dueling:
            out = out[0] + out[1:] - sum(out[1:]) / len(out[1:])
        return [out[action] for action in feasible]

    def best(self, net, observation):
        """Best feasible action, the first of equals, and its value."""
        values = self.values(net, observation)
        chosen = 0
        for action, value in enumerate(values):
            if value > values[chosen]:
                chosen = action
        return chosen, values[chosen]

    def targets(self, main, target, sample):
        found = []
        for reward, after, ended in zip(sample.reward, sample.next_observation, sample.terminated, strict=True):
            if ended:
                found.append(float(reward))
                continue
            action, value = self.best(main if self.double else target, after)
            if self.double:
                value = self.values(target, after)[action]
            found.append(float(reward) + self.discount * value)
        return np.array(found)

    def gradient(self, main, target, sample):
        """Loss, mean size of the values, and the derivatives of the loss."""
        goals, count = self.targets(main, target, sample), len(sample.reward)
        total, loss, size = [0.0 * p for p in main.parameters], 0.0, 0.0
        for observation, action, goal in zip(sample.observation, sample.action, goals, strict=True):
            chosen = round(float(action[0]))
            value = self.values(main, observation)[chosen]
            loss, size = loss + (goal - value) ** 2 / count, size + abs(value) / count
            outer = 2 * (value - goal) / count
            if not self.output:
                _, trace = main.traced(self.market.inputs(observation, chosen))
                slopes = main.slopes(trace, np.array([outer]))
            else:
                out, trace = main.traced(self.market.features(observation))
                weights = np.zeros(len(out))
                if self.dueling:
                    weights[1:] -= 1 / (len(out) - 1)
                    weights[0] = 1.0
                weights[chosen + self.dueling] += 1.0
                slopes = main.slopes(trace, outer * weights)
            total = [a + b for a, b in zip(total, slopes, strict=True)]
        return loss, size, total

    def step(self, main, target, sample):
        """Parameters after one step of Adam (Kingma and Ba, ICLR 2015), the gradient's norm clipped before."""
        loss, size, slopes = self.gradient(main, target, sample)
        norm = np.sqrt(sum((g**2).sum() for g in slopes))
        slopes = [g * min(1.0, self.clip / norm) for g in slopes]
        if self.first is None:
            self.first, self.second = ([0 * g for g in slopes] for _ in range(2))
        self.steps += 1
        self.first = [0.9 * m + 0.1 * g for m, g in zip(self.first, slopes, strict=True)]
        self.second = [0.999 * v + 0.001 * g**2 for v, g in zip(self.second, slopes, strict=True)]
        after = []
        for p, m, v in zip(main.parameters, self.first, self.second, strict=True):
            m, v = m / (1 - 0.9**self.steps), v / (1 - 0.999**self.steps)
            after.append(p - self.rate * m / (np.sqrt(v) + 1e-8))
        return after, loss, size, norm
