"""A key of a restic repository that takes no time to derive: with restic's own, most of each test is spent on it.

What it is made of stands in restic's design document: scrypt, AES-256-CTR, Poly1305-AES.
"""

import base64
import hashlib
import json
import os
import subprocess

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.poly1305 import Poly1305

# restic itself takes 2**15.
N, R, P = 2, 1, 1


def replace_keys(repository, password):
    """Put one in place of those that a repository has, for the same password."""
    environment = {**os.environ, "RESTIC_PASSWORD": password, "RESTIC_REPOSITORY": str(repository)}
    shown = subprocess.run(["restic", "--quiet", "cat", "masterkey"], env=environment, capture_output=True, check=True)
    salt, nonce = os.urandom(64), os.urandom(16)
    derived = hashlib.scrypt(password.encode(), salt=salt, n=N, r=R, p=P, dklen=64)
    key = {
        "created": "2026-01-01T00:00:00Z",
        "username": "root",
        "hostname": "here",
        "kdf": "scrypt",
        "N": N,
        "r": R,
        "p": P,
        "salt": base64.b64encode(salt).decode(),
        "data": base64.b64encode(sealed(shown.stdout, derived, nonce)).decode(),
    }
    text = json.dumps(key).encode()
    for former in (repository / "keys").iterdir():
        former.unlink()
    (repository / "keys" / hashlib.sha256(text).hexdigest()).write_bytes(text)


def sealed(text, derived, nonce):
    """Encrypt and sign as restic does."""
    encrypt, k, r = derived[:32], derived[32:48], derived[48:]
    encryptor = Cipher(algorithms.AES(encrypt), modes.CTR(nonce)).encryptor()
    hidden = encryptor.update(text) + encryptor.finalize()
    block = Cipher(algorithms.AES(k), modes.ECB()).encryptor()  # noqa: S305 - one block, as Poly1305-AES is defined
    signature = Poly1305.generate_tag(r + block.update(nonce) + block.finalize(), hidden)
    return nonce + hidden + signature
