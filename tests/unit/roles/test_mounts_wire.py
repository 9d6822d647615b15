"""The kernel's protocol, byte by byte; and what the kernel knows by number."""

import os
import stat
import struct

import pytest
from mlflow_mounts.fuse import nodes, wire

FILE = wire.Attributes(stat.S_IFREG | 0o400, 1000, 1700000000)


def asked(opcode, body=b"", node=1, unique=7):
    return wire.HEADER.pack(wire.HEADER.size + len(body), opcode, unique, node, 0, 0, 0, 0, 0) + body


def test_a_request_is_taken_apart():
    found = wire.request(asked(wire.LOOKUP, b"a b\0", node=3))
    assert found == (wire.LOOKUP, 7, 3, b"a b\0")
    assert wire.name_in(found.body) == "a b"
    assert wire.as_bytes(wire.name_in(b"\xff/\xfe\0")) == b"\xff/\xfe"


@pytest.mark.parametrize("data", [b"", b"x" * 39, asked(wire.READ, b"12")[:-1], asked(wire.READ) + b"x"])
def test_what_is_no_request_is_refused(data):
    with pytest.raises(wire.ProtocolError):
        wire.request(data)


@pytest.mark.parametrize("body", [b"", b"1234567", struct.pack("=I", 2) + bytes(20)])
def test_bodies_that_are_too_short_are_refused(body):
    with pytest.raises(wire.ProtocolError):
        wire.forgotten(wire.request(asked(wire.BATCH_FORGET if len(body) == 24 else wire.FORGET, body)))


def test_nodes_are_forgotten_one_by_one_and_together():
    assert wire.forgotten(wire.request(asked(wire.FORGET, struct.pack("=Q", 3), node=9))) == [(9, 3)]
    body = struct.pack("=II", 2, 0) + struct.pack("=4Q", 5, 1, 6, 2)
    assert wire.forgotten(wire.request(asked(wire.BATCH_FORGET, body, node=0))) == [(5, 1), (6, 2)]


@pytest.mark.parametrize(
    ("minor", "flags", "more", "agreed_minor", "limit"),
    [(31, 1 | 1 << 13, b"", 31, 0), (45, 1 << 30, bytes(48), 45, 0), (99, 1 << 30, b"\xff" * 48, 45, 300)],
)
def test_what_both_can_do_is_agreed_on(minor, flags, more, agreed_minor, limit):
    body = struct.pack("=4I", 7, minor, 1 << 30, flags) + more
    answer = wire.agreed(wire.request(asked(wire.INIT, body)))
    assert len(answer) == 64
    assert struct.unpack_from("=4I", answer) == (7, agreed_minor, 8 << 20, flags & wire.WANTED)
    assert struct.unpack_from("=H", answer, 40) == (limit,)


@pytest.mark.parametrize(("opcode", "major"), [(wire.INIT, 8), (wire.LOOKUP, 7)])
def test_another_protocol_is_refused(opcode, major):
    with pytest.raises(wire.ProtocolError):
        wire.agreed(wire.request(asked(opcode, struct.pack("=4I", major, 31, 0, 0))))


@pytest.mark.parametrize("plus", [False, True])
@pytest.mark.parametrize("name", [b"a", b"12345678", b"x" * 255])
def test_a_line_of_a_directory_is_as_long_as_was_said(plus, name):
    line = wire.line(4, wire.Named(name, FILE, 9), (1000, 1001) if plus else None)
    assert len(line) == wire.line_size(name, plus=plus)
    assert len(line) % 8 == 0
    rest = line[wire.ENTRY.size + wire.ATTRIBUTES.size :] if plus else line
    assert wire.DIRENT.unpack_from(rest) == (9, 5, len(name), stat.S_IFREG >> 12)
    assert rest[24 : 24 + len(name)] == name


def test_attributes_are_the_owners():
    found = wire.ATTRIBUTES.unpack(wire.attributes(9, FILE, 1000, 1001))
    assert found[:6] == (9, 1000, 2, *[1700000000] * 3)
    assert found[9:13] == (FILE.mode, 1, 1000, 1001)


def test_an_answer_says_its_length_and_error():
    assert b"".join(wire.answer(7, 0, b"ab", b"c")) == struct.pack("=IiQ", 19, 0, 7) + b"abc"
    assert b"".join(wire.answer(7, 2)) == struct.pack("=IiQ", 16, -2, 7)


@pytest.mark.parametrize(("flags", "writes"), [(os.O_RDONLY, False), (os.O_WRONLY, True), (os.O_RDWR, True)])
def test_whoever_would_write_is_told_apart(flags, writes):
    assert wire.wants_to_write(struct.pack("=II", flags | os.O_NONBLOCK, 0)) is writes


def test_a_node_stays_for_as_long_as_the_kernel_knows_it():
    known = nodes.Nodes()
    number = known.remember(("vision", "a"))
    assert known.remember(("vision", "a")) == number != known.remember(("vision", "b"))
    known.forget(number, 1)
    assert known.path(number) == ("vision", "a")
    known.forget(number, 1)
    with pytest.raises(OSError, match="not known"):
        known.path(number)
    # A number is never another node's.
    assert known.remember(("vision", "a")) > number
    known.forget(nodes.ROOT, 100)
    assert known.path(nodes.ROOT) == ()


def test_the_next_process_goes_on_with_what_was_known():
    known, handles = nodes.Nodes(), nodes.Handles()
    number = known.remember(("vision", "\udcff odd \ud800", "ä"))
    known.remember(known.path(number))
    handle = handles.add(known.path(number), "open")
    closed = handles.add((), "closed")
    handles.close(closed)
    data = nodes.dump(known, handles)
    again, opened = nodes.Nodes(), nodes.Handles()
    nodes.load(data, again, opened)
    assert again.path(number) == ("vision", "\udcff odd \ud800", "ä")
    assert opened.get(handle) == (known.path(number), None)
    assert opened.again(handle, (), "anew") == "anew"
    # Who was slower has nothing of its own.
    assert opened.again(handle, (), "later") == "anew"
    assert opened.add((), "next") > closed
    again.forget(number, 1)
    assert again.number(known.path(number)) == number
    again.forget(number, 1)
    assert again.number(known.path(number)) == 0
    with pytest.raises(OSError, match="not known"):
        opened.get(closed)


def test_nothing_is_known_at_first():
    known = nodes.Nodes()
    nodes.load(b"", known)
    assert len(known) == 1
