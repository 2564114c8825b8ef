"""Writes ../testdata: a small tokenizer.json of every known layout, trained here on the text below, and golden.jsonl, what the
references make of a few texts with them and with the embedded tokenizers. Run it in the environment that exactness.sh makes:

    python golden.py
"""
import json
import os
import subprocess
import tempfile

import layouts
import nasty
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "testdata")

TEXT = """A tokenizer cuts text into pieces and writes each piece as a number. The numbers must be those that the model was
trained with: one wrong id in a million is one wrong word in a long document. Don't guess, don't approximate; they're exact or
they're useless. I'll say it again: it's the reference's tables that count, not ours. We've measured 12, 345 and 6789 of them.
Ein Satz auf Deutsch über Wörter und Zähler, und noch einer. Une phrase en français à propos d'élèves naïfs. Una oración en
español: ¿qué pasa mañana? Одно предложение на русском языке, и ещё одно. 中文的一句话，没有空格。日本語の文章もあります。テスト・ケース。
한국어 문장도 하나 있습니다. जाँच के लिए एक वाक्य। נוסח בעברית עם ניקוד: שָׁלוֹם. جملة عربية قصيرة. ประโยคภาษาไทย
func main() { for i := 0; i < 10; i++ { fmt.Println("hello", i) } }    // four spaces\n\n\n\tif err != nil {\n\t\treturn err\n\t}\n
"""

CASES = ["", " ", "a", "hello world", " hello  world  ", "don't DON'T we'll WE'LL x'ſ 'sound", "x = 1234567890;\n\n\n  y\t= 3.14", "\r\n\r\n a\n", "   \n  \n   ",
         "end \n", "end\n\n ", "tabs\t\tthere", "a\u00a0b\u3000c", "camelCaseHTMLParser iPhone's X'S", "中文，没有空格。テスト・ケースと゛", "e\u0301 é s\u0323\u0307 \u0958 가\u11a8 \u1100\u1161\u11a8",
         "\u0301 lone mark", "👨‍👩‍👧 👍🏽 🇩🇪", "२३४ ٣٤ ²½ Ⅷ 𝟙", "//// --- ...\n...", "\u200b\u200babc \x00\x01", "\u1c89\ua7cb new letters", "a<|im_end|>b <|im_start|> c",
         "<|endoftext|><|endoftext|> x", "  <mask>  <mask> y", "a [LEFT] b [RIGHT]  c", "[WORD] x[WORD] [WORD]y", "cafe\u0301 café hello xhello hello_", "<|begin_of_text|>hi<|eot_id|>",
         "<｜User｜>why？<think>\nbecause</think>", "カ・\n  \n ", "don't", "The numbers must be those that the model was trained with. " * 3]


def trained():
    tok = Tokenizer(models.BPE())
    tok.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tok.train_from_iterator([TEXT] * 3, trainers.BpeTrainer(vocab_size=700, min_frequency=2, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    model = json.loads(tok.to_str())["model"]
    return model["vocab"], model["merges"]


def byte_offsets(text, offsets):
    at = [0]
    for c in text:
        at.append(at[-1] + len(c.encode()))
    return [[at[a], at[b]] for a, b in offsets]


def main():
    os.makedirs(OUT, exist_ok=True)
    texts = CASES + nasty.strings(40, seed=20261123)
    with open(OUT + "/golden.jsonl", "w", encoding="utf-8") as golden:

        def put(**row):
            golden.write(json.dumps(row, ensure_ascii=True) + "\n")

        files = dict(layouts.shapes(*trained()))
        files["wordlevel"] = layouts.word_level()
        for name, content in files.items():
            path = f"{OUT}/{name}.json"
            with open(path, "w", encoding="utf-8") as f:
                json.dump(content, f, ensure_ascii=False, separators=(",", ":"))
            tok = Tokenizer.from_file(path)
            for text in texts:
                e = tok.encode(text, add_special_tokens=False)
                row = {"tokenizer": name + ".json", "text": text, "ids": e.ids}
                if tok.normalizer is None or tok.normalizer.normalize_str(text) == text:
                    row["offsets"] = byte_offsets(text, e.offsets)
                full = tok.encode(text).ids
                if full != e.ids:
                    row["special"] = full
                put(**row, decoded=tok.decode(e.ids, skip_special_tokens=False), skipped=tok.decode(e.ids, skip_special_tokens=True))
        with tempfile.TemporaryDirectory() as work:
            for name, _, reference in layouts.all_layouts(work, None):
                if name in ("o200k_base", "cl100k_base", "p50k_base", "r50k_base"):
                    for text, ids in zip(texts, reference(texts)):
                        put(tokenizer=name, text=text, ids=ids)


main()
