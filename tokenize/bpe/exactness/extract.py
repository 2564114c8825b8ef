"""Asks the reference tokenizers which characters they take for letters, digits, spaces and so on, and how they normalise.

Prints one line per fact, for the program in ../gen, which packs them into unicode.bin:

    class ENGINE NAME LO HI      characters LO..HI (hexadecimal) are of class NAME: onig (tokenizers), rust (tiktoken)
    numeric LO HI                Rust's char::is_numeric, which the Digits pre-tokenizer uses
    word LO HI                   \\w of the regex that guards single_word tokens
    ccc CLASS LO HI              canonical combining class
    decomp C D1 D2 ...           full canonical decomposition of C
    compose A B C                A followed by B becomes C
    version NAME VERSION         the references that were asked

Nothing here reads a Unicode table of Python's: every fact is an answer of the code that the ids must agree with.
Python's table names one mark of each combining class, and the marks' own classes are then asked too.
"""
import sys
import unicodedata
from importlib.metadata import version

import tiktoken
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers

CHARS = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]
TEXT = "".join(map(chr, CHARS))
CLASSES = {"upper": r"[\p{Lu}\p{Lt}]", "lower": r"\p{Ll}", "letter": r"[\p{Lm}\p{Lo}]", "mark": r"\p{M}", "number": r"\p{N}",
           "punct": r"\p{P}", "symbol": r"\p{S}", "space": r"\s"}


def put(*words):
    print(*words)


def put_ranges(prefix, chars):
    chars = sorted(chars)
    i = 0
    while i < len(chars):
        j = i
        while j + 1 < len(chars) and chars[j + 1] == chars[j] + 1:
            j += 1
        put(*prefix, "%x %x" % (chars[i], chars[j]))
        i = j + 1


def onig(pattern):
    """The characters that the pattern matches: all those that splitting by it takes away."""
    split = pre_tokenizers.Split(Regex(pattern), "removed")
    left = set()
    for piece, _ in split.pre_tokenize_str(TEXT):
        left.update(map(ord, piece))
    return set(CHARS) - left


BYTES = {bytes([b]): b for b in range(256)}


def rust(pattern):
    enc = tiktoken.Encoding("probe", pat_str=pattern, mergeable_ranks=BYTES, special_tokens={})
    return set(map(ord, bytes(enc.encode_ordinary(TEXT)).decode()))


def numeric():
    split = pre_tokenizers.Digits(individual_digits=True)
    out = set()
    for c in CHARS:
        if len(split.pre_tokenize_str("a" + chr(c))) == 2:
            out.add(c)
    return out


def word():
    tok = Tokenizer(models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    tok.add_tokens([AddedToken("%", single_word=True, normalized=False)])
    return {c for c in CHARS if c != ord("%") and len(tok.encode(chr(c) + "%").ids) == 1}


def combining_classes(nfd):
    """Two marks swap places exactly if the first has the higher class: that orders all of them against one mark of each class."""
    marks = {}
    for c in CHARS:
        k = unicodedata.combining(chr(c))
        known = nfd("\u0345" + chr(c)) != "\u0345" + chr(c) or c == 0x345  # Python's table is newer than the reference's
        if k and k not in marks and known and len(nfd(chr(c))) == 1:
            marks[k] = chr(c)
    steps = sorted(marks)
    high, low = marks[steps[-1]], marks[steps[0]]
    classes = {}
    for c in CHARS:
        ch = chr(c)
        if len(nfd(ch)) != 1 or nfd(ch) != ch:
            continue
        if nfd(high + ch) == high + ch and nfd(ch + low) == ch + low:
            continue  # it moves past neither: a starter, or of the first or last class, asked below
        classes[c] = [k for k in steps if nfd(ch + marks[k]) == ch + marks[k]]  # classes that are not below its own
    out = {}
    for c, not_below in classes.items():
        out[c] = not_below[0]
    return out


def main():
    for name in ("tokenizers", "tiktoken"):
        put("version", name, version(name))
    for engine, ask in (("onig", onig), ("rust", rust)):
        for name, pattern in CLASSES.items():
            put_ranges(["class", engine, name], ask(pattern))
    put_ranges(["numeric"], numeric())
    put_ranges(["word"], word())
    nfd, nfc = normalizers.NFD().normalize_str, normalizers.NFC().normalize_str
    ccc = combining_classes(nfd)
    for k in sorted(set(ccc.values())):
        put_ranges(["ccc", k], [c for c, v in ccc.items() if v == k])
    for c in CHARS:
        if 0xAC00 <= c <= 0xD7A3:
            continue  # Hangul syllables go by arithmetic
        ch = chr(c)
        d = nfd(ch)
        if d == ch:
            continue
        put("decomp", "%x" % c, *("%x" % ord(x) for x in d))
        if nfc(ch) == ch:
            a = nfc(d[:-1])
            assert len(a) == 1 and nfc(a + d[-1]) == ch, hex(c)
            put("compose", "%x" % ord(a), "%x" % ord(d[-1]), "%x" % c)
    sys.stdout.flush()


main()
