"""Python imports this before an SDK. Every connection goes to the recorder on loopback, whatever the SDK asks for."""

import os
import socket

try:
    import certifi

    # Some SDKs trust these certificates and no others.
    certifi.where = lambda: os.environ["SSL_CERT_FILE"]
except ImportError:
    pass

connect = socket.socket.connect


def to_the_recorder(self, address):
    plain = address[1] == 80
    return connect(self, ("127.0.0.1", int(os.environ["RECORDER_PLAIN_PORT" if plain else "RECORDER_TLS_PORT"])))


def without_dns(_host, port, *_args, **_kwargs):
    return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("127.0.0.1", int(port)))]


socket.socket.connect = to_the_recorder
socket.getaddrinfo = without_dns
