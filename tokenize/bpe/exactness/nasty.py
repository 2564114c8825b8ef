"""Random text that looks for trouble: fragments that the patterns, the normalisation and the added tokens treat in their own ways."""
import random

FRAGMENTS = """'s 'S 'ſ 'T 'll 'LL 'lL 'Re 've 'VE 'd 'm ' '' 'x ’s hello World HTMLParser camelCase iPhone don't DON'T I'M x's ſ K Å é ü ñ
e\u0301 \u0301 \u0327 \u0345 a\u0327\u0301 a\u0301\u0327 s\u0323\u0307 \u0958 \u0929 \u0b94 क्षि ा หนึ่ง שָׁלוֹם العَرَبِيَّة ｱｶﾞ 中 文 日本 語。 ，、 カ ー ・ \u3099 ゛ が か\u3099 ヽ \u30a0 \u3040 龥 龦 㐀 𠀀
가 각 ᄀ ᅡ ᆨ 가\u11a8 1 12 123 1234 12345 ٣ ۴५ ² ½ Ⅷ 𝟙 〇 ① ! ?! ... // / -- _ # $ \\ {} () [] += `` ~ ^ | € “ ” … – • § ¶ © ™ 😀 👍🏽 👨‍👩‍👧 🇩🇪 ☃ \u200d \u200b \ufeff \u00ad \x00 \x01 \x7f
\x1b[0m \u0600 ქ Ა ᲀ ǅ ʰ ª º ß ﬁ İ ı Σ ς ა \u1c89 \ua7cb \U000105c0 \u0897 𞤀 \U00016d40 \u1bca \ufffd \ufffe \ue000 \U0010ffff
<|im_start|> <|im_end|> <|endoftext|> <|endofprompt|> <|fim_prefix|> <|extra_0|> <|begin_of_text|> <|eot_id|> <｜begin▁of▁sentence｜> <｜User｜> <think> </think> <tool_call> <|im_ <| |> < > <mask> [LEFT] [RIGHT] [WORD] café
import def\u3000return self.x == None; https://example.org/a?b=c&d=1 foo_bar-baz""".split()
SPACES = [" ", "  ", "   ", "    ", "\n", "\n\n", "\r\n", "\r", "\t", "\t\t", " \n", "\n ", " \n\n  ", "\u00a0", "\u3000", "\u2028", "\u0085", "\x0b", "\x0c", "\u1680", "\u202f"]


def char(r, limit):
    c = r.randrange(limit)
    return chr(c if not 0xD800 <= c <= 0xDFFF else c - 0x800)


def one(r):
    k = r.random()
    if k < 0.45:
        return "".join(r.choice(FRAGMENTS) if r.random() < 0.7 else r.choice(SPACES) for _ in range(r.randint(0, 14)))
    if k < 0.6:
        return " ".join(r.choice(FRAGMENTS) for _ in range(r.randint(1, 10)))
    if k < 0.75:
        return "".join(char(r, 0x110000) for _ in range(r.randint(1, 12)))
    if k < 0.9:
        return "".join(char(r, r.choice((0x80, 0x80, 0x250, 0x800, 0x3100, 0x20000))) for _ in range(r.randint(1, 20)))
    return "".join(r.choice(" \n\r\t ab1.'A") for _ in range(r.randint(1, 40)))


def strings(n, seed=1):
    r = random.Random(seed)
    return [one(r) for _ in range(n)]
