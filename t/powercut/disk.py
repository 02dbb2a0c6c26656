"""The disk as a power cut may leave it: a record of all changes (record.h), and what of them was on the medium at some event.

What is assumed. Whatever a sync call that returned had to write is there: of a file its bytes and size (fsync: also owner and mode),
of a folder its names; a file's sync says nothing about its name. Of everything younger any part may be there, in any order:
  - bytes by sectors (512 or 4096 octets; for Berkeley DB's tables 4096, whose pages it writes in place and can't mend; a sector is one
    of the states that the file's page had there, never a mixture, but for pages that were being changed through a mapping, where each
    aligned word is old or new);
  - the file's size as it was at any moment since its last sync, with or without the bytes below it (zeros then);
  - changes of a folder: any subset, each whole (a rename is one), or in order as a journal keeps them;
  - owner and mode as they were at any moment since the last fsync.
A sync that had begun and not returned has done any part of its work.
"""
import bisect
import json
import mmap
import os
import random
import struct

MAGIC, START = 0x3143525755485254, 4096
EVENT = struct.Struct("<IHHIIIIQQQQII")
WRITE, TRUNCATE, ALLOCATE, SYNC_BEGIN, SYNC_END, CREATE, MKDIR, LINK, UNLINK, RENAME, OWNER, MAPPED, MARK = range(1, 14)
NAMES = (CREATE, MKDIR, LINK, UNLINK, RENAME)
PUNCH_HOLE, KEEP_SIZE = 2, 1
WORD = 8


class Event:
    __slots__ = ("kind", "pid", "owner", "inode", "a", "b", "c", "data")

    def __init__(self, kind, pid, owner, inode, a, b, c, data):
        self.kind, self.pid, self.owner, self.inode, self.a, self.b, self.c, self.data = kind, pid, owner, inode, a, b, c, data

    def mark(self):
        return json.loads(self.data)


def read_events(path):
    events = []
    with open(path, "rb") as f, mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ) as m:
        magic, _, end, _, overflow = struct.unpack_from("<QQQII", m)
        assert magic == MAGIC and not overflow, "the record is not whole"
        at = START
        while at < end:
            size, kind, _, pid, mode, uid, gid, inode, a, b, c, length, _ = EVENT.unpack_from(m, at)
            data = m[at + EVENT.size:at + EVENT.size + length]
            events.append(Event(kind, pid, (mode, uid, gid), inode, a, b, c, data))
            at += size
    return events


class Image:
    """A file's bytes; zeros at its end are not kept."""
    __slots__ = ("data", "size")

    def __init__(self, data=b"", size=0):
        self.data, self.size = bytearray(data), size

    def copy(self):
        return Image(self.data, self.size)

    def write(self, at, data, length):
        """data None: zeros."""
        have = len(self.data)
        if data is None:
            end = min(at + length, have)
            if at < end:
                self.data[at:end] = bytes(end - at)
        else:
            if have < at:
                self.data.extend(bytes(at - have))
            self.data[at:at + length] = data
        self.size = max(self.size, at + length)

    def resize(self, size):
        del self.data[size:]
        self.size = size

    def part(self, at, length):
        some = self.data[at:at + length]
        return some + bytes(length - len(some))


class Node:
    """A file or folder: what is durable, what came since (numbers of events with it), and what programs see."""

    def __init__(self, inode, owner, folder=False):
        self.inode, self.owner, self.folder = inode, owner, folder
        self.path = ""  # as it was named last
        self.pending, self.owners = [], []
        self.seen = {} if folder else Image()
        self.durable = {} if folder else Image()


def apply(image, op):
    _, kind, at, length, data = op
    if kind == "write":
        image.write(at, data, length)
    elif kind == "words":
        for offset, word in data:
            image.write(offset, word, len(word))
    elif kind == "size":
        image.resize(at)


class Disk:
    """Begins with the folder `root` as it is now, all of it durable. Of what is in it only the names `below` count. forgotten: a
    pattern of paths whose syncs do nothing, as if the server had left them out."""

    def __init__(self, root, below):
        self.nodes, self.number, self.syncs, self.below, self.forgotten = {}, 0, {}, below, None
        self.root = self.take(root)
        for name in below:
            path = os.path.join(root, name)
            if os.path.isdir(path):
                self.root.seen[name] = self.root.durable[name] = self.take_all(path)

    def counts(self, folder, name):
        return folder in self.nodes and (folder != self.root.inode or name in self.below)

    def take(self, path):
        st = os.lstat(path)
        node = Node(st.st_ino, (st.st_mode, st.st_uid, st.st_gid), os.path.isdir(path))
        self.nodes[st.st_ino] = node
        return node

    def take_all(self, path):
        node = self.take(path)
        if node.folder:
            for name in os.listdir(path):
                node.seen[name] = self.take_all(os.path.join(path, name))
            node.durable = dict(node.seen)
        else:
            with open(path, "rb") as f:
                data = f.read()
            node.durable = Image(data.rstrip(b"\0"), len(data))
            node.seen = node.durable.copy()
        return node

    # --- events ---

    def happen(self, e):
        self.number += 1
        handler = self.HANDLERS.get(e.kind)
        if handler:
            handler(self, e)

    def change(self, e, kind, at, length=0, data=None):
        node = self.nodes.get(e.inode)
        if node and not node.folder:
            op = (self.number, kind, at, length, data)
            node.pending.append(op)
            apply(node.seen, op)

    def write(self, e):
        self.change(e, "write", e.a, e.b, e.data or None)

    def truncate(self, e):
        self.change(e, "size", e.a)

    def allocate(self, e):
        node = self.nodes.get(e.inode)
        if e.c & PUNCH_HOLE:
            self.change(e, "write", e.a, e.b)
        elif node and not e.c & KEEP_SIZE and e.a + e.b > node.seen.size:
            self.change(e, "size", e.a + e.b)

    def mapped(self, e):
        node = self.nodes.get(e.inode)
        if not node:
            return
        now = e.data + bytes(e.b - len(e.data))
        was = node.seen.part(e.a, e.b)
        words = [(e.a + i, now[i:i + WORD]) for i in range(0, len(now), WORD) if now[i:i + WORD] != was[i:i + WORD]]
        if words:
            self.change(e, "words", words[0][0], words[-1][0] + WORD - words[0][0], words)

    def sync_begin(self, e):
        self.syncs[e.a] = self.number

    def sync_end(self, e):
        node, begun = self.nodes.get(e.inode), self.syncs.pop(e.a, None)
        if not node or begun is None or (self.forgotten and self.forgotten.fullmatch(node.path)):
            return
        n = bisect.bisect_left(node.pending, begun, key=lambda op: op[0])
        for op in node.pending[:n]:
            self.apply_names(node.durable, op[1]) if node.folder else apply(node.durable, op)
        del node.pending[:n]
        if not e.b:  # fsync
            for number, owner in node.owners:
                if number < begun:
                    node.owner = owner
            node.owners = [o for o in node.owners if o[0] > begun]

    @staticmethod
    def apply_names(names, changes):
        for name, node in changes:
            if node:
                names[name] = node
            else:
                names.pop(name, None)

    def change_names(self, folder, *changes):
        if self.counts(folder, changes[0][0]):
            node = self.nodes[folder]
            node.pending.append((self.number, changes))
            self.apply_names(node.seen, changes)
            for name, child in changes:
                if child:
                    child.path = os.path.join(node.path, name)

    def create(self, e):
        folder, name = self.nodes.get(e.a), e.data.decode()
        if not name:
            self.nodes[e.inode] = Node(e.inode, e.owner)
        elif folder and self.counts(e.a, name) and getattr(folder.seen.get(name), "inode", None) != e.inode:
            self.nodes[e.inode] = Node(e.inode, e.owner)
            self.change_names(e.a, (name, self.nodes[e.inode]))
        elif not folder or not self.counts(e.a, name):
            self.nodes.pop(e.inode, None)  # elsewhere: its number may have been another's

    def mkdir(self, e):
        self.nodes.pop(e.inode, None)
        if self.counts(e.a, e.data.decode()):
            self.nodes[e.inode] = Node(e.inode, e.owner, True)
            self.change_names(e.a, (e.data.decode(), self.nodes[e.inode]))

    def link(self, e):
        if self.counts(e.a, e.data.decode()):
            assert e.inode in self.nodes, "a link to a file from elsewhere"
            self.change_names(e.a, (e.data.decode(), self.nodes[e.inode]))

    def unlink(self, e):
        self.change_names(e.a, (e.data.decode(), None))

    def rename(self, e):
        old, new = e.data.decode().split("\0")
        if self.counts(e.a, old):
            node = self.nodes[e.a].seen[old]
            if e.a == e.b:
                self.change_names(e.a, (old, None), (new, node))
            else:
                self.change_names(e.b, (new, node))
                self.change_names(e.a, (old, None))

    def own(self, e):
        node = self.nodes.get(e.inode)
        if node:
            node.owners.append((self.number, e.owner))

    HANDLERS = {WRITE: write, TRUNCATE: truncate, ALLOCATE: allocate, MAPPED: mapped, SYNC_BEGIN: sync_begin, SYNC_END: sync_end,
                CREATE: create, MKDIR: mkdir, LINK: link, UNLINK: unlink, RENAME: rename, OWNER: own}

    # --- cuts ---

    def leave(self, path, seed, style):
        """Writes into the folder `path` what a cut leaves: style is one of STYLES."""
        Cut(random.Random(seed), style).write_folder(self.root, path)


STYLES = ("nothing", "everything", "names", "bytes", "journal", "sectors", "any")


class Cut:
    """How each file and folder fares.

    nothing     of what was not synced is there
    everything  is
    names       and sizes are, bytes are not
    bytes       are there, names are not
    journal     names up to some moment, bytes up to another
    sectors     torn at random, names at random
    any         each file or folder as one of the above
    """

    def __init__(self, rng, style):
        self.rng, self.style = rng, style
        self.sector_size = rng.choice((512, 4096))

    def style_of(self, node):
        return self.rng.choice(STYLES[:-1]) if self.style == "any" else self.style

    # folders

    def names(self, node):
        style, n = self.style_of(node), len(node.pending)
        if style in ("nothing", "bytes"):
            chosen = []
        elif style in ("everything", "names"):
            chosen = node.pending
        elif style == "journal":
            chosen = node.pending[:self.rng.randint(0, n)]
        else:
            chosen = [op for op in node.pending if self.rng.random() < 0.5]
        names = dict(node.durable)
        for op in chosen:
            Disk.apply_names(names, op[1])
        return names

    # files

    def touched(self, op):
        _, kind, at, length, _ = op
        if kind == "size":
            return range(0)
        return range(at // self.sector, (at + length - 1) // self.sector + 1)

    def image(self, node, name):
        self.sector = 4096 if name.endswith(".db") else self.sector_size
        ops, n = node.pending, len(node.pending)
        if not n:
            return node.durable
        style = self.style_of(node)
        if style in ("nothing", "everything"):
            return node.durable if style == "nothing" else node.seen
        rng = self.rng
        size_at = n if style in ("names", "bytes") else rng.choice((0, n, rng.randint(0, n)))
        bytes_at = {"names": 0, "bytes": n}.get(style, rng.randint(0, n))
        until = {}  # sector: how many of the changes it has

        def has(sector):
            if style != "sectors":
                return bytes_at
            if sector not in until:
                until[sector] = rng.choice((0, n, rng.randint(0, n)))
            return until[sector]

        image = node.durable.copy()
        size = image.size
        for i, op in enumerate(ops):
            _, kind, at, length, data = op
            if i < size_at:
                size = at if kind == "size" else max(size, at + length)
            if kind == "size":
                if i < size_at:
                    del image.data[at:]
            elif data is None and at >= len(image.data):
                continue  # zeros where there is nothing
            elif kind == "words":
                self.put_words(image, data, i, has)
            elif style != "sectors":
                if i < bytes_at:
                    apply(image, op)
            else:
                self.put_sectors(image, op, i, has)
        image.resize(size)
        return image

    def put_words(self, image, words, i, has):
        for at, word in words:
            k = has(at // self.sector)
            if i < k or (i == k and self.style != "names" and self.rng.random() < 0.5):
                image.write(at, word, len(word))

    def put_sectors(self, image, op, i, has):
        _, _, at, length, data = op
        for sector in self.touched(op):
            if i < has(sector):
                begin, end = max(at, sector * self.sector), min(at + length, (sector + 1) * self.sector)
                image.write(begin, data and data[begin - at:end - at], end - begin)

    def owner(self, node):
        if not node.owners or self.style == "nothing":
            return node.owner
        if self.style == "everything":
            return node.owners[-1][1]
        return self.rng.choice([node.owner] + [o for _, o in node.owners])

    # writing

    def write_folder(self, node, path):
        os.makedirs(path, exist_ok=True)
        for name, child in self.names(node).items():
            below = os.path.join(path, name)
            if child.folder:
                self.write_folder(child, below)
            else:
                self.write_file(child, below)
        self.set_owner(node, path)

    def set_owner(self, node, path):
        mode, uid, gid = self.owner(node)
        if os.geteuid() == 0:
            os.chown(path, uid, gid)
        os.chmod(path, mode & 0o7777)

    def write_file(self, node, path):
        image = self.image(node, os.path.basename(path))
        with open(path, "wb") as f:
            f.write(image.data)
            f.truncate(image.size)
        self.set_owner(node, path)
