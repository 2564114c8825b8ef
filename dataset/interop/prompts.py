"""Renders and encodes prompts with the reference programs: jinja2 and Hugging Face tokenizers.

The rule: nothing here comes from the program. The prompt template is written out again, the chat template is the one
that stands beside the tokenizer.
"""
from __future__ import annotations

import json
import unicodedata
from pathlib import Path
from typing import Any

from jinja2 import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from tokenizers import Tokenizer

QWENLONG_L1 = (
    "Please read the following text and answer the question below.\n\n<text>\n$DOC$\n</text>\n\n$Q$\n\n"
    'Format your response as follows: "Therefore, the answer is (insert answer here)".'
)


def refuse(message: str) -> None:
    raise TemplateError(message)


class Reference:
    """A tokenizer with its chat template."""

    def __init__(self, file: Path) -> None:
        config = json.loads(file.with_name("tokenizer_config.json").read_text())
        env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"])
        env.globals["raise_exception"] = refuse
        self.file = file
        self.tokenizer = Tokenizer.from_file(str(file))
        self.chat = env.from_string(config["chat_template"])
        self.names = {k: v for k in ("bos_token", "eos_token", "pad_token") if isinstance(v := config.get(k), str)}

    def prompt(self, question: str, context: str, messages: list[dict[str, Any]] | None) -> str:
        """The text that the policy sees."""
        if messages is None:
            # The marks are found before anything is put in: a document may spell them.
            before, rest = QWENLONG_L1.split("$DOC$")
            between, after = rest.split("$Q$")
            messages = [{"role": "user", "content": before + context.strip() + between + question.strip() + after}]
        return self.chat.render(messages=messages, add_generation_prompt=True, **self.names)

    def encode(self, text: str) -> list[int]:
        return self.tokenizer.encode(text, add_special_tokens=False).ids

    def decode(self, ids: list[int]) -> str:
        return self.tokenizer.decode(ids, skip_special_tokens=False)

    def normal(self, text: str) -> str:
        """The text as decoding gives it back: these tokenizers normalize to NFC."""
        return unicodedata.normalize("NFC", text)

    @property
    def eos(self) -> int:
        return self.tokenizer.token_to_id(self.names["eos_token"])
