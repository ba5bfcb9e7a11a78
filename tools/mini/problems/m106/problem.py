"""n children with different names queue for a carousel. Whoever is in front takes a ride; after every k-th
ride of the day the rider goes home, and after any other ride the rider goes to the end of the queue. When
only one child is left, the carousel closes. Print the name of this child.

Input: n and k, then n names of lower-case letters, in the order of the queue. Output: one name.
1 <= n <= 400, 1 <= k <= 30, a name has 1 to 12 letters.
"""

import random


def inputs() -> list[str]:
    rng = random.Random(206)
    texts = []
    for n, k in ((1, 30), (2, 1), (5, 30), (7, 2), (250, 9), (300, 7), (400, 3), (160, 24), (350, 5)):
        names: dict[str, None] = {}
        while len(names) < n:
            names["".join(rng.choices("abdefilmnorstu", k=rng.randint(3, 7)))] = None
        texts.append(f"{n} {k}\n" + "\n".join(names) + "\n")
    return texts


def solve(text: str) -> str:
    _, k, *queue = text.split()
    front = 0
    while len(queue) > 1:
        front = (front + int(k) - 1) % len(queue)
        del queue[front]
    return queue[0] + "\n"
