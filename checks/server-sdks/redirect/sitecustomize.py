"""Python imports this before a program of examples/server-sdks.

Connections to other hosts than loopback go to the check's gateway, whatever the SDK asks for. check.mjs sets PYTHONPATH and GATEWAY_PORT.
"""

import os
import socket

import certifi

# The SDKs trust these certificates and no others.
certifi.where = lambda: os.environ["SSL_CERT_FILE"]

lookup = socket.getaddrinfo


def to_the_gateway(host, port, *args, **kwargs):
    if host == "127.0.0.1":
        return lookup(host, port, *args, **kwargs)
    gateway = ("127.0.0.1", int(os.environ["GATEWAY_PORT"]))
    return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", gateway)]


socket.getaddrinfo = to_the_gateway
