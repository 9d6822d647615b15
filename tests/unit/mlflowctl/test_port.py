"""Who comes is refused at once, and who came before is still answered; shown with the kernel's own sockets."""

import os
import socket

import pytest
from mlflowctl import port

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture(params=["127.0.0.1", "::1"])
def listener(request):
    family = socket.AF_INET6 if ":" in request.param else socket.AF_INET
    try:
        it = socket.create_server((request.param, 0), family=family, backlog=50)
    except OSError:
        pytest.skip("this machine has no IPv6")
    with it:
        yield it


@pytest.fixture
def number(listener):
    return listener.getsockname()[1]


def come(listener):
    return socket.create_connection(listener.getsockname()[:2], timeout=300)


def test_who_waits_is_answered_and_who_comes_is_refused(listener, number):
    with come(listener) as before:
        before.sendall(b"hello")
        port.refuse(number, os.getpid())
        for _time in range(3):
            with pytest.raises(ConnectionRefusedError):
                come(listener)
        assert port.connections(number) == 1
        accepted = listener.accept()[0]
        with accepted:
            assert accepted.recv(10) == b"hello"
            accepted.sendall(b"well")
            assert port.connections(number) == 1
        assert before.recv(10) == b"well"
    assert port.connections(number) == 0


def test_they_can_be_admitted_again(listener, number):
    assert not port.is_refusing(number, os.getpid())
    port.refuse(number, os.getpid())
    assert port.is_refusing(number, os.getpid())
    port.admit(number, os.getpid())
    assert not port.is_refusing(number, os.getpid())
    with come(listener):
        assert port.connections(number) == 1


def test_other_ports_are_left_alone(listener, number):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port.refuse(number, os.getpid())
        with come(other):
            assert port.connections(number) == 0
