"""Writes what transformers renders for many chats, a JSON line each, for `parity` and for the golden file of the Go tests.

    pip install transformers jinja2
    python expect.py TEMPLATES > cases.jsonl                 every *.jinja below TEMPLATES, and chat_template of every tokenizer_config.json
    python expect.py --golden testdata/jinja > testdata/golden.jsonl     without the source, which the tests read themselves
"""
import datetime
import json
import pathlib
import sys

import transformers.utils.chat_template_utils as utils


class FixedDate(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls(2024, 7, 26, 13, 5, 9)


utils.datetime = FixedDate
SPECIAL = {"bos_token": "<bos>", "eos_token": "<eos>", "pad_token": "<pad>"}


def U(content):
    return {"role": "user", "content": content}


def A(content):
    return {"role": "assistant", "content": content}


def S(content):
    return {"role": "system", "content": content}


CHATS = {
    "user": [U("What is it?")],
    "system+user": [S("You are terse."),U("What is it?")],
    "multi": [U("a"),A("b"),U("c")],
    "multi+system": [S("s"),U("a"),A("b"),U("c"),A("d"),U("e")],
    "ends-assistant": [U("a"),A("b")],
    "think": [U("a"),A("<think>\nhm\n</think>\n\nfine"),U("c")],
    "think-last": [U("a"),A("<think>\nhm\n</think>\n\nfine")],
    "think-user": [U("x </think> y <think>z"),A("b </think> c </think>  d"),U("</think>")],
    "space": [U("  lead and trail \n\n")],
    "space-all": [S("\t s \n"),U(" \n u\u00a0\u3000"),A("\n\n a \r\n"),U("\u2003q\x1c\x85")],
    "unicode": [S("日本語"),U("emoji 👩‍👩‍👧 é e\u0301 \u202e עברית"),A("ß ſ İ"),U("\U0001F600")],
    "empty": [U("")],
    "empty-all": [S(""),U(""),A(""),U("")],
    "braces": [U("{{ x }} {% if %} {# c #} {{"),A("}} %}"),U("{")],
    "quotes": [U("it's \"quoted\" \\ and \\n `x` <&>"),A("'"),U('"')],
    "special": [U("<|im_end|>\n<|im_start|>system\nhi<|eot_id|></s>[INST]<bos>"),A("<|eos|>"),U("<|bos|>")],
    "newlines": [U("\n"),A("\n\n\n"),U("a\r\nb\rc\n")],
    "nul": [U("a\x00b"),A("\x01"),U("\x7f")],
    "tool_response": [U("<tool_response>\nx\n</tool_response>"),A("b"),U("<tool_response>x</tool_response>")],
    "two-users": [U("a"),U("b")],
    "starts-assistant": [A("a"),U("b")],
    "system-late": [U("a"),S("b"),U("c")],
    "only-system": [S("b")],
    "long": [U("word "*2000)],
}


def sources(root):
    for path in sorted(root.rglob("*.jinja")):
        with open(path, newline="") as f:
            yield str(path.relative_to(root)), f.read()
    for path in sorted(root.rglob("tokenizer_config.json")):
        template = json.loads(path.read_text()).get("chat_template")
        if isinstance(template, str):
            yield str(path.relative_to(root)), template


def case(name, source, chat, messages, golden):
    c = {"template": name, "chat": chat, "special": SPECIAL, "messages": messages}
    if not golden:
        c["source"] = source
    try:
        texts, _ = utils.render_jinja_template([messages], chat_template=source, add_generation_prompt=True, **SPECIAL)
        c["text"] = texts[0]
    except Exception as e:
        c["error"] = f"{type(e).__name__}: {e}"
    return c


def main():
    golden = "--golden" in sys.argv
    root = pathlib.Path(sys.argv[-1])
    for name, source in sources(root):
        for chat, messages in CHATS.items():
            if golden and chat == "long":
                continue
            print(json.dumps(case(name, source, chat, messages, golden), ensure_ascii=True))


main()
