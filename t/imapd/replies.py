"""Reading FETCH replies."""
import re


def parse(data):
    """An IMAP reply as nested lists; strings as bytes, atoms as str."""
    at, stack = 0, [[]]
    while at < len(data):
        c = data[at:at + 1]
        if c == b"(":
            stack.append([])
            at += 1
        elif c == b")":
            done = stack.pop()
            stack[-1].append(done)
            at += 1
        elif c == b" ":
            at += 1
        elif c == b'"':
            m = re.compile(rb'"((?:[^"\\\r\n]|\\["\\])*)"').match(data, at)
            stack[-1].append(re.sub(rb"\\(.)", rb"\1", m[1]))
            at = m.end()
        elif c == b"{":
            m = re.compile(rb"\{(\d+)\}\r\n").match(data, at)
            stack[-1].append(data[m.end():m.end() + int(m[1])])
            at = m.end() + int(m[1])
        else:
            m = re.compile(rb"[^ ()\"{]+").match(data, at)
            stack[-1].append(m[0].decode())
            at = m.end()
    assert len(stack) == 1
    return stack[0]


def fetched(line):
    """Items of a FETCH line by name."""
    items = parse(line[line.index(b"(") :])[0]
    return dict(zip(items[::2], items[1::2]))


def leaves(structure, path=()):
    """(section, leaf) of a BODYSTRUCTURE."""
    if isinstance(structure[0], list):
        for i, part in enumerate(structure):
            if not isinstance(part, list):
                break
            yield from leaves(part, path + (i + 1,))
    else:
        yield ".".join(map(str, path or (1,))), structure
