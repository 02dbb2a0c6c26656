"""SASL from the client's side, spelled out: PLAIN, LOGIN, and SCRAM (RFC 5802)."""
import base64
import hashlib
import hmac
import os


def b64(data):
    return base64.b64encode(data).decode()


def plain(user, password):
    return b64(("\0%s\0%s" % (user, password)).encode())


class Scram:
    """first(), then final(challenge), then check(server's last message)."""

    def __init__(self, algorithm, user, password):
        self.algorithm, self.user, self.password = algorithm, user, password
        self.nonce = b64(os.urandom(18)).replace(",", "x")

    def first(self):
        self.bare = "n=%s,r=%s" % (self.user.replace("=", "=3D").replace(",", "=2C"), self.nonce)
        return b64(("n,," + self.bare).encode())

    def final(self, challenge):
        server = base64.b64decode(challenge).decode()
        values = dict(part.split("=", 1) for part in server.split(","))
        assert values["r"].startswith(self.nonce)
        salted = hashlib.pbkdf2_hmac(self.algorithm, self.password.encode(),
                                     base64.b64decode(values["s"]), int(values["i"]))
        without = "c=biws,r=" + values["r"]
        auth = ",".join([self.bare, server, without]).encode()
        key = hmac.digest(salted, b"Client Key", self.algorithm)
        sign = hmac.digest(hashlib.new(self.algorithm, key).digest(), auth, self.algorithm)
        proof = bytes(a ^ b for a, b in zip(key, sign))
        server_key = hmac.digest(salted, b"Server Key", self.algorithm)
        self.signature = hmac.digest(server_key, auth, self.algorithm)
        return b64((without + ",p=" + b64(proof)).encode())

    def check(self, last):
        assert base64.b64decode(last).decode() == "v=" + b64(self.signature)
