"""S. Vaudenay, Security Flaws Induced by CBC Padding, EUROCRYPT 2002: an oracle for valid padding decrypts."""

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from itertools import pairwise

BLOCK = 16

Oracle = Callable[[Sequence[tuple[bytes, bytes]]], Sequence[Hashable]]
"""What can be observed of each (IV, ciphertext) that is sent."""


def attack(ciphertext: bytes, iv: bytes, oracle: Oracle) -> bytes:
    """Return the bytes of plaintext that the oracle reveals, of each block from its end."""
    blocks = [iv, *(ciphertext[at : at + BLOCK] for at in range(0, len(ciphertext), BLOCK))]
    return b"".join(_block(before, block, oracle) for before, block in pairwise(blocks))


def _block(before: bytes, block: bytes, oracle: Oracle) -> bytes:
    """Return the revealed end of one block's plaintext. The right guess is the one whose response differs."""
    decrypted = b""  # the block's end after the cipher, before the exclusive-or
    while len(decrypted) < BLOCK:
        padding = len(decrypted) + 1
        tail = bytes(byte ^ padding for byte in decrypted)
        heads = [bytes(BLOCK - padding) + bytes([guess]) + tail for guess in range(256)]
        right = _different(heads, oracle([(head, block) for head in heads]))
        if (
            padding == 1 and len(right) == 2
        ):  # a longer padding is valid by chance; changing the byte before it breaks that
            shaken = [head[:-2] + bytes([head[-2] ^ 1]) + head[-1:] for head in right]
            answers = oracle([(head, block) for head in (*heads, *shaken)])
            usual = Counter(answers).most_common(1)[0][0]
            right = [head for head, answer in zip(right, answers[256:], strict=True) if answer != usual]
        if len(right) != 1:
            break
        decrypted = bytes([right[0][BLOCK - padding] ^ padding]) + decrypted
    return bytes(byte ^ mask for byte, mask in zip(decrypted, before[BLOCK - len(decrypted) :], strict=True))


def _different(heads: Sequence[bytes], answers: Sequence[Hashable]) -> list[bytes]:
    usual = Counter(answers).most_common(1)[0][0]
    return [head for head, answer in zip(heads, answers, strict=True) if answer != usual]
