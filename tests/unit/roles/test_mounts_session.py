"""What the kernel is answered, without a kernel: over a pair of sockets in place of /dev/fuse."""

import errno
import os
import socket
import stat
import struct
import threading
import time

import pytest
from mlflow_mounts.fuse import session, wire
from mlflow_mounts.fuse.session import ENDED, UNMOUNTED, Session


class Entry:
    def __init__(self, mode, size=0, target=""):
        self.attributes, self.target = wire.Attributes(mode, size), target


class File:
    def __init__(self, data, go_on):
        self.data, self.size, self.version, self.closed, self.go_on = data, len(data), "1", False, go_on
        self.fetched = threading.Event()

    def read(self, offset, size):
        # Its first byte is what has to be waited for.
        assert offset or self.go_on.wait(300)
        return self.data[offset : offset + size]

    def at_hand(self, offset, size):
        return memoryview(self.data)[offset : offset + size] if offset >= 5 else None

    def ahead(self, offset):
        return self.fetched.set if offset == 6 else None

    def close(self):
        self.closed = True


class Tree:
    """A directory of a few teams, one of which hangs until it is told to go on."""

    def __init__(self):
        self.go_on, self.opened, self.failure = threading.Event(), [], None
        self.data, self.listed = b"0123456789", 10

    def children(self, path):
        if path[:1] == ("hung",):
            assert self.go_on.wait(300)
        if self.failure:
            raise self.failure  # pylint: disable=raising-bad-type
        if path in ((), ("team",), ("hung",)):
            return {name: self.entry((name,)) for name in ("team", "hung", "ä" * 100)}
        raise OSError(errno.ENOENT, "nothing")

    def entry(self, path):
        if path[:1] == ("hung",) and len(path) > 1:
            assert self.go_on.wait(300)
        kind = {"file": stat.S_IFREG, "link": stat.S_IFLNK}.get(path[-1] if path else "", stat.S_IFDIR)
        if path and path[-1] == "none":
            raise OSError(errno.ENOENT, "nothing")
        if path and path[-1] == "odd":
            raise ZeroDivisionError
        return Entry(kind | 0o500, self.listed if kind == stat.S_IFREG else 0, "there")

    def open(self, path):
        self.opened.append(File(self.data, self.go_on))
        return self.opened[-1]

    def rest(self):
        pass


class Kernel:
    """The other end."""

    def __init__(self, tree, idle=30.0):
        self.mine, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.mine.settimeout(300)
        self.theirs = theirs
        self.session = Session(theirs.fileno(), tree, idle)
        self.result = []
        self.thread = threading.Thread(target=lambda: self.result.append(self.session.run()))
        self.unique = 0

    def send(self, opcode, body=b"", node=1):
        self.unique += 1
        header = wire.HEADER.pack(wire.HEADER.size + len(body), opcode, self.unique, node, 0, 0, 0, 0, 0)
        self.mine.send(header + body)
        return self.unique

    def answer(self):
        data = self.mine.recv(1 << 21)
        length, error, unique = wire.ANSWER.unpack_from(data)
        assert length == len(data)
        return unique, error, data[wire.ANSWER.size :]

    def ask(self, opcode, body=b"", node=1):
        """Return what comes of it: an error's name, or bytes."""
        unique = self.send(opcode, body, node)
        found, error, data = self.answer()
        assert found == unique
        return errno.errorcode[-error] if error else data

    def look_up(self, name, node=1):
        found = self.ask(wire.LOOKUP, name + b"\0", node)
        return found if isinstance(found, str) else struct.unpack_from("=Q", found)[0]

    def end(self):
        self.session.end()
        self.thread.join(300)
        return self.result


@pytest.fixture
def tree():
    return Tree()


@pytest.fixture
def kernel(tree):
    found = Kernel(tree)
    found.thread.start()
    yield found
    tree.go_on.set()
    found.end()
    for end in (found.mine, found.theirs, found.session._awake, found.session._ring):
        end.close()


def test_names_are_looked_up_and_forgotten(kernel):
    team = kernel.look_up(b"team")
    assert team > 1
    assert kernel.look_up(b"team") == team
    found = kernel.ask(wire.GETATTR, bytes(16), team)
    assert wire.ATTRIBUTES.unpack_from(found, 16)[9] == stat.S_IFDIR | 0o500
    assert wire.ATTRIBUTES.unpack_from(found, 16)[11:13] == (os.getuid(), os.getgid())
    kernel.send(wire.FORGET, struct.pack("=Q", 2), team)
    assert kernel.ask(wire.GETATTR, bytes(16), team) == "ESTALE"
    assert kernel.look_up(b"none") == "ENOENT"
    assert kernel.look_up(b"\xff\xfe") > team


def test_a_directory_is_listed_in_whatever_pieces(kernel):
    for opcode in (wire.READDIR, wire.READDIRPLUS):
        handle = struct.unpack_from("=Q", kernel.ask(wire.OPENDIR, bytes(8)))[0]
        names, offset, size = [], 0, 400
        while data := kernel.ask(opcode, struct.pack("=QQI", handle, offset, size) + bytes(20)):
            assert len(data) <= size
            while data:
                skip = wire.ENTRY.size + wire.ATTRIBUTES.size if opcode == wire.READDIRPLUS else 0
                node, offset, length, _kind = wire.DIRENT.unpack_from(data, skip)
                assert node
                names.append(data[skip + 24 : skip + 24 + length].decode())
                data = data[wire.line_size(names[-1].encode(), plus=bool(skip)) :]
        assert names == ["team", "hung", "ä" * 100]
        assert kernel.ask(wire.RELEASEDIR, struct.pack("=Q", handle) + bytes(16)) == b""
    # What was told with all about it is known by number.
    assert len(kernel.session.answers.nodes) == 4


def test_a_file_is_opened_read_and_closed(kernel, tree):
    node = kernel.look_up(b"file")
    handle, flags, _padding = struct.unpack("=QII", kernel.ask(wire.OPEN, bytes(8), node))
    assert flags == 0
    assert kernel.ask(wire.READ, struct.pack("=QQI", handle, 3, 4) + bytes(20), node) == b"3456"
    # The same as before: the kernel's pages are still right.
    assert struct.unpack("=QII", kernel.ask(wire.OPEN, bytes(8), node))[1] == 2
    assert kernel.ask(wire.OPEN, struct.pack("=II", os.O_RDWR, 0), node) == "EROFS"
    assert kernel.ask(wire.RELEASE, struct.pack("=Q", handle) + bytes(16), node) == b""
    assert [file.closed for file in tree.opened] == [True, False]
    assert kernel.ask(wire.READ, struct.pack("=QQI", handle, 3, 4) + bytes(20), node) == "ESTALE"


def test_what_is_in_memory_is_read_while_all_others_wait(kernel, tree):
    node = kernel.look_up(b"file")
    handle = struct.unpack_from("=Q", kernel.ask(wire.OPEN, bytes(8), node))[0]
    waiting = {kernel.send(wire.READ, struct.pack("=QQI", handle, 0, 4) + bytes(20), node) for _number in range(40)}
    assert kernel.ask(wire.READ, struct.pack("=QQI", handle, 6, 3) + bytes(20), node) == b"678"
    tree.go_on.set()
    answers = [kernel.answer() for _number in waiting]
    assert {unique for unique, _error, _data in answers} == waiting
    assert {(error, data) for _unique, error, data in answers} == {(0, b"0123")}
    # What comes after it was fetched, too, though nobody asked for that yet.
    assert tree.opened[0].fetched.wait(300)


def test_the_kernel_asks_again_for_a_size_that_was_another_one(kernel, tree):
    node = kernel.look_up(b"file")
    tree.data = b"it has grown"
    unique = kernel.send(wire.OPEN, bytes(8), node)
    assert kernel.answer() == (0, wire.INVALIDATE_NODE, struct.pack("=Qqq", node, -1, 0))
    assert kernel.answer()[:2] == (unique, 0)


def test_links_and_what_is_not_there_at_all(kernel):
    assert kernel.ask(wire.READLINK, node=kernel.look_up(b"link")) == b"there"
    assert kernel.ask(wire.READLINK, node=kernel.look_up(b"file")) == "EINVAL"
    assert len(kernel.ask(wire.STATFS)) == 80
    assert kernel.ask(22) == "ENOSYS"
    assert [kernel.ask(opcode) for opcode in sorted(wire.WRITES)] == ["EROFS"] * len(wire.WRITES)
    assert kernel.ask(wire.OPEN, b"123") == "EINVAL"
    assert kernel.look_up(b"odd") == "EIO"


@pytest.mark.parametrize("number", [512, 524297, -2])
def test_a_number_that_the_kernel_would_not_take_is_an_error_all_the_same(kernel, tree, number):
    tree.failure = OSError(number, "of somebody's own")
    assert kernel.ask(wire.OPENDIR, bytes(8)) == "EIO"


def test_who_gives_up_is_answered_at_once_and_nothing_is_left(kernel, tree):
    node = kernel.look_up(b"hung")
    waiting = kernel.send(wire.LOOKUP, b"x\0", node)
    kernel.send(wire.INTERRUPT, struct.pack("=Q", waiting), 0)
    assert kernel.answer()[:2] == (waiting, -errno.EINTR)
    before = len(kernel.session.answers.nodes)
    tree.go_on.set()
    # The kernel was not told of the node, and will not give it back.
    assert kernel.look_up(b"y", node) > 0
    until = time.monotonic() + 300
    while len(kernel.session.answers.nodes) != before + 1 and time.monotonic() < until:
        time.sleep(0.01)
    assert len(kernel.session.answers.nodes) == before + 1


def test_a_team_that_hangs_keeps_nobody_from_another(kernel):
    hung, team = kernel.look_up(b"hung"), kernel.look_up(b"team")
    for _number in range(40):
        kernel.send(wire.LOOKUP, b"x\0", hung)
    assert kernel.look_up(b"file", team) > 0


def test_whoever_looks_for_many_names_has_no_threads_for_each(kernel):
    for number in range(3 * session.MOST_CREWS):
        assert kernel.look_up(b"team%d" % number) > 0
    assert len(kernel.session.crews) <= session.MOST_CREWS + 1
    assert kernel.look_up(b"file", kernel.look_up(b"another")) > 0


def test_where_no_thread_can_start_it_is_said_so_and_goes_on(kernel, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", no_thread)
        assert kernel.ask(wire.LOOKUP, b"team\0") == "EAGAIN"
    assert kernel.look_up(b"team") > 0


def no_thread(_thread):
    raise RuntimeError("can't start new thread")


def test_it_ends_when_nobody_asks(tree):
    kernel = Kernel(tree, idle=0.2)
    # Before it begins: who asks later may come after its end on a busy machine.
    asked = kernel.send(wire.LOOKUP, b"team\0")
    kernel.thread.start()
    assert kernel.answer()[:2] == (asked, 0)
    kernel.thread.join(300)
    assert kernel.result == [ENDED]
    # What is asked from then on waits for the next one.
    kernel.send(wire.LOOKUP, b"file\0", kernel.session.answers.nodes.number(("team",)))
    data = kernel.session.answers.dump()
    following = Session(kernel.theirs.fileno(), tree, 0.2)
    following.answers.load(data)
    assert following.run() == ENDED
    assert kernel.answer()[1] == 0
    for end in (
        kernel.mine,
        kernel.theirs,
        *(pair for it in (kernel.session, following) for pair in (it._awake, it._ring)),
    ):
        end.close()


def test_a_file_that_is_open_goes_on_in_the_next_process(tree):
    kernel = Kernel(tree)
    kernel.thread.start()
    node = kernel.look_up(b"file")
    handle = struct.unpack_from("=Q", kernel.ask(wire.OPEN, bytes(8), node))[0]
    assert kernel.end() == [ENDED]
    data = kernel.session.answers.dump()
    former = kernel.session
    kernel.session = Session(kernel.theirs.fileno(), tree, 30)
    kernel.session.answers.load(data)
    kernel.thread = threading.Thread(target=kernel.session.run)
    kernel.thread.start()
    assert kernel.ask(wire.READ, struct.pack("=QQI", handle, 7, 9) + bytes(20), node) == b"789"
    assert len(tree.opened) == 2
    kernel.end()
    for end in (
        kernel.mine,
        kernel.theirs,
        *(pair for it in (former, kernel.session) for pair in (it._awake, it._ring)),
    ):
        end.close()


def test_it_ends_with_its_mount(kernel):
    kernel.mine.shutdown(socket.SHUT_RDWR)
    kernel.thread.join(300)
    assert kernel.result == [UNMOUNTED]
