"""A clockwork typewriter shifts letters: the i-th character of a message (counted from 0), if it is a lower-
case letter, moves k * i places on in the alphabet, from z on to a. Dots and dashes stay as they are. Print
what it types.

Input: k and the message, which has no spaces. Output: one line.
0 <= k <= 1000, 1 <= length of the message <= 13000.
"""

import random
from string import ascii_lowercase


def inputs() -> list[str]:
    rng = random.Random(204)
    texts = ["0 hello\n", "1 z\n", "1000 ...---...\n", "13 zzzzzzzzzzzz\n"]
    for k, length in ((3, 10500), (26, 11800), (999, 12500), (5, 13000)):
        texts.append(f"{k} {''.join(rng.choices(ascii_lowercase + '.-', k=length))}\n")
    return texts


def solve(text: str) -> str:
    key, message = text.split()
    k = int(key)
    letters = ascii_lowercase
    typed = [letters[(letters.index(c) + k * i) % 26] if c in letters else c for i, c in enumerate(message)]
    return "".join(typed) + "\n"
