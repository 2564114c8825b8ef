"""Collects text that the machine holds into a JSONL of long documents: {"context": ...}, no two files alike.

    corpus.py KIND MEGABYTES OUT.jsonl [FOLDER ...]

KIND: real     the data sets under $PIPELINE_REAL_DATA/real (meetings, papers, reports), which must be there
      prose    documentation (md, rst, txt, man pages) and the comments of Python and Go sources
      code     sources as they are, json, html, css, sql
      scripts  what is mostly not ASCII: message catalogues, translated pages, Unicode data, and every character there is
      speed    real, then prose: what the speed is measured on
The folders default to those where a Linux machine keeps such files.
"""
import glob
import gzip
import hashlib
import io
import json
import os
import random
import re
import sys
import tokenize as pytokenize

HOMES = ["/usr/share", "/usr/lib", "/usr/local", "~/go/pkg/mod", "~/.cargo/registry/src", "~/.rustup", "~/.pyenv", "~/sdk", "/opt"]
SUFFIXES = {
    "prose": (".md", ".rst", ".txt", ".markdown", ".1.gz", ".3.gz", ".5.gz", ".7.gz", ".8.gz", ".1", ".5", ".8", ".py", ".go"),
    "code": (".go", ".py", ".rs", ".c", ".h", ".cc", ".js", ".ts", ".json", ".html", ".css", ".sql", ".sh", ".java", ".toml", ".yaml"),
    "scripts": (".po", ".pot", ".mo", ".txt", ".html", ".json", ".md", ".xml", ".properties", ".gz", ".rst", ".py", ".dic", ".aff", ".js"),
}


def strings(value):
    """All strings of a JSON value, in order."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for v in value.values():
            yield from strings(v)
    elif isinstance(value, list):
        for v in value:
            yield from strings(v)


def real():
    home = os.environ.get("PIPELINE_REAL_DATA") or sys.exit("corpus.py: real needs $PIPELINE_REAL_DATA")
    for path in sorted(glob.glob(home + "/real/*/*.json*")):
        with open(path, encoding="utf-8") as f:
            rows = [json.loads(line) for line in f] if path.endswith(".jsonl") else json.load(f)
        for row in rows:
            yield "\n".join(strings(row))


def comments(path, text):
    """What a source says to people."""
    if path.endswith(".go"):
        return "\n".join(line.strip()[2:].strip() for line in text.split("\n") if line.strip().startswith("//"))
    out = []
    try:
        for tok in pytokenize.generate_tokens(io.StringIO(text).readline):
            if tok.type == pytokenize.STRING and tok.string.lstrip("rbuRBU").startswith(('"""', "'''")):
                out.append(tok.string.strip("rbuRBU\"'"))
    except (SyntaxError, ValueError):
        pass
    return "\n".join(out)


def man(text):
    text = re.sub(r'^[.\'](\\"|[a-zA-Z]{1,2}\b).*?( |$)', "", text, flags=re.M)
    return re.sub(r"\\(f.|&|\|)", "", text).replace("\\-", "-")


def read(path):
    opener = gzip.open if path.endswith(".gz") else open
    with opener(path, "rb") as f:
        return f.read(4 << 20).decode("utf-8")  # what is not UTF-8 is no text for us


def files(kind, homes):
    for home in homes:
        for folder, sub, names in os.walk(os.path.expanduser(home)):
            sub.sort()
            for name in sorted(names):
                path = os.path.join(folder, name)
                if not name.endswith(SUFFIXES[kind]) or os.path.islink(path) or not 400 < os.path.getsize(path) < 4 << 20:
                    continue
                try:
                    text = read(path)
                except (OSError, UnicodeDecodeError, EOFError):
                    continue
                if kind == "prose":
                    if path.endswith((".py", ".go")):
                        text = comments(path, text)
                    elif re.search(r"\.\d(\.gz)?$", path):
                        text = man(text)
                    if sum(c.isalpha() or c == " " for c in text) < 0.75 * len(text):
                        continue
                if kind == "scripts" and sum(ord(c) > 0x7F for c in text) < 0.1 * len(text):
                    continue
                yield text


def every_character(seed=1):
    chars = [chr(c) for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]
    for i in range(0, len(chars), 4096):
        yield "".join(chars[i : i + 4096])
        yield " ".join(chars[i : i + 4096])
    random.Random(seed).shuffle(chars)
    for i in range(0, len(chars), 4096):
        yield "".join(chars[i : i + 4096])


def texts(kind, homes):
    if kind in ("real", "speed"):
        yield from real()
    if kind == "scripts":
        yield from every_character()
    if kind != "real":
        yield from files("prose" if kind == "speed" else kind, homes)


def main():
    kind, limit, out = sys.argv[1], float(sys.argv[2]) * 1e6, sys.argv[3]
    seen, done, wait, size = set(), 0, [], 0
    with open(out, "w", encoding="utf-8") as f:

        def flush():
            f.write(json.dumps({"context": "\n\n".join(wait)}, ensure_ascii=False) + "\n")
            wait.clear()

        for text in texts(kind, sys.argv[4:] or HOMES):
            text = text.strip() if kind == "speed" else text
            digest = hashlib.md5(text.encode("utf-8", "replace")).digest()
            if digest in seen or not text:
                continue
            seen.add(digest)
            wait.append(text)
            size += len(text.encode())
            if size > 40_000:  # documents of 40 KB and more, as the long-context sets have them
                done += size
                size = 0
                flush()
            if done > limit:
                break
        if wait:
            flush()
            done += size
    print(f"{out}: {done / 1e6:.1f} MB", file=sys.stderr)


main()
