"""Sentences that say which spine to draw, and the network that reads them.

"An image of 72 years old female" is the published prompt. What is known is said;
what is unknown is left out, never filled in.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from spinecast.errors import error

#: Yes/no attributes and the words that name them, in the order of the sentence.
CONDITIONS: dict[str, str] = {
    "prevalent_vf": "vertebral fracture",
    "glucocorticoids": "glucocorticoids",
    "prior_fracture": "prior fracture",
    "rheumatoid_arthritis": "rheumatoid arthritis",
    "secondary_osteoporosis": "secondary osteoporosis",
}

#: Largest integer that is a token; ages, body mass indices and years are rounded to integers.
LARGEST_NUMBER = 120

_SPECIAL = ("<pad>", "<start>", "<end>", "<unknown>")
_PHRASES = (
    "an image of",
    "a spine",
    "years old",
    "female",
    "male",
    "person",
    "body mass index",
    "with",
    "without",
    *CONDITIONS.values(),
    "years later",
)


@dataclass(frozen=True)
class Attributes:
    """What is known of a person when an image was taken; None (or NaN) means unknown.

    Attributes
    ----------
    age
        Years.
    sex
        ``"F"`` or ``"M"``.
    bmi
        kg/m2.
    prevalent_vf, glucocorticoids, prior_fracture, rheumatoid_arthritis, secondary_osteoporosis
        1 (or True) yes, 0 no.
    """

    age: float | None = None
    sex: str | None = None
    bmi: float | None = None
    prevalent_vf: float | None = None
    glucocorticoids: float | None = None
    prior_fracture: float | None = None
    rheumatoid_arthritis: float | None = None
    secondary_osteoporosis: float | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if _unknown(value):
                object.__setattr__(self, field.name, None)
        if self.sex not in {None, "F", "M"}:
            raise error("SC-302", expected="sex F, M or unknown", got=repr(self.sex))

    def older(self, years: float) -> Attributes:
        """Return what a prompt about ``years`` later may say: age and sex, nothing foretold."""
        return Attributes(age=None if self.age is None else self.age + years, sex=self.sex)

    def without(self, names: Sequence[str]) -> Attributes:
        """Return a copy in which the named attributes are unknown."""
        return replace(self, **dict.fromkeys(names))


def build_prompt(attributes: Attributes, *, years_later: float | None = None) -> str:
    """Return the sentence for ``attributes``.

    Parameters
    ----------
    attributes
        What is known at the time of the image to be drawn.
    years_later
        Time since the baseline image; None leaves it unsaid, as published. Saying it
        lets the network tell a person of 82 from one of 72 ten years on.

    Returns
    -------
    str
        ``"An image of 72 years old female"`` with age and sex alone;
        ``"An image of a spine"`` where both are unknown.

    Examples
    --------
    >>> build_prompt(Attributes(age=72.3, sex="F", bmi=24.1), years_later=10)
    'An image of 72 years old female, body mass index 24, 10 years later'
    >>> build_prompt(Attributes())
    'An image of a spine'
    """
    parts = ["An image of " + _person(attributes)]
    if attributes.bmi is not None:
        parts.append(f"body mass index {_number(attributes.bmi)}")
    for name, words in CONDITIONS.items():
        value = getattr(attributes, name)
        if value is not None:
            parts.append(("with " if value else "without ") + words)
    if years_later is not None:
        parts.append(f"{_number(years_later)} years later")
    return ", ".join(parts)


class PromptTokenizer:
    """Split prompts into tokens of our own vocabulary: integers, and phrases rather than words.

    A phrase as one token keeps the longest sentence at 25 tokens, and cross-attention cheap.
    """

    def __init__(self, length: int = 26) -> None:
        numbers = tuple(str(i) for i in range(LARGEST_NUMBER + 1))
        self.length = length
        self.vocabulary = {word: i for i, word in enumerate(_SPECIAL + numbers + _PHRASES)}
        longest_first = sorted(_PHRASES, key=len, reverse=True)
        self._pattern = re.compile(r"\d+|" + "|".join(map(re.escape, longest_first)) + r"|\w+")

    def __len__(self) -> int:
        return len(self.vocabulary)

    def __call__(self, prompts: Sequence[str]) -> torch.Tensor:
        """Return token numbers, (n, length) int64, padded."""
        return torch.tensor([self._numbers(prompt) for prompt in prompts], dtype=torch.int64)

    def number_tokens(self) -> range:
        """Return the tokens of the integers, in order."""
        first = self.vocabulary["0"]
        return range(first, first + LARGEST_NUMBER + 1)

    def _numbers(self, prompt: str) -> list[int]:
        words = self._pattern.findall(prompt.lower())[: self.length - 2]
        known = [self.vocabulary.get(word, self.vocabulary["<unknown>"]) for word in words]
        sentence = [self.vocabulary["<start>"], *known, self.vocabulary["<end>"]]
        return sentence + [self.vocabulary["<pad>"]] * (self.length - len(sentence))


@dataclass(frozen=True)
class TextConfig:
    """Shape of the text encoder.

    Attributes
    ----------
    width, layers, heads, length
        Of a CLIP text model trained from scratch on our vocabulary.
    clip_path
        Folder of a local CLIP (model and tokenizer) to use instead; nothing is fetched.
        ``width`` must then be that model's.
    """

    width: int = 64
    layers: int = 2
    heads: int = 2
    length: int = 26
    clip_path: str | None = None


class PromptEncoder(nn.Module):
    """CLIP text model over our own vocabulary, or any local CLIP.

    Raises
    ------
    ModelError
        SC-406 where ``clip_path`` holds no CLIP.
    """

    def __init__(self, config: TextConfig) -> None:
        super().__init__()
        self.config = config
        self.tokenizer: Any
        if config.clip_path is None:
            self.tokenizer = PromptTokenizer(config.length)
            self.model = _small_clip(config, len(self.tokenizer))
            _order_numbers(self.model, self.tokenizer.number_tokens())
        else:
            self.tokenizer, self.model = _local_clip(Path(config.clip_path))

    def tokenize(self, prompts: Sequence[str]) -> torch.Tensor:
        """Return token numbers of ``prompts``, (n, length)."""
        if isinstance(self.tokenizer, PromptTokenizer):
            return self.tokenizer(prompts)
        given = self.tokenizer(
            list(prompts),
            padding="max_length",
            truncation=True,
            max_length=self.config.length,
            return_tensors="pt",
        )
        return torch.as_tensor(given.input_ids)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return one vector a token, (n, length, width), for cross-attention."""
        return self.model(input_ids=tokens).last_hidden_state


def _person(attributes: Attributes) -> str:
    sex = {"F": "female", "M": "male", None: "person"}[attributes.sex]
    if attributes.age is None:
        return "a spine" if attributes.sex is None else sex
    return f"{_number(attributes.age)} years old {sex}"


def _number(value: float) -> int:
    return min(max(round(float(value)), 0), LARGEST_NUMBER)


def _unknown(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _small_clip(config: TextConfig, vocabulary: int) -> nn.Module:
    from transformers import CLIPTextConfig, CLIPTextModel

    shape = CLIPTextConfig(
        vocab_size=vocabulary,
        hidden_size=config.width,
        intermediate_size=4 * config.width,
        num_hidden_layers=config.layers,
        num_attention_heads=config.heads,
        max_position_embeddings=config.length,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
    )
    return CLIPTextModel(shape)


def _local_clip(folder: Path) -> tuple[Any, nn.Module]:
    from transformers import CLIPTextModel, CLIPTokenizer

    try:
        tokenizer = CLIPTokenizer.from_pretrained(folder, local_files_only=True)
        model = CLIPTextModel.from_pretrained(folder, local_files_only=True, use_safetensors=True)
    except (OSError, ValueError) as cause:
        raise error(
            "SC-406", expected="a CLIP model and tokenizer", got="none", where=str(folder)
        ) from cause
    return tokenizer, model


@torch.no_grad()
def _order_numbers(model: nn.Module, tokens: range) -> None:
    """Start the embeddings of integers as smooth curves.

    Else 71 and 72 begin unrelated, and an age seen in no training image would mean nothing.
    """
    weight = model.get_input_embeddings().weight
    values = torch.arange(len(tokens), dtype=weight.dtype) / LARGEST_NUMBER
    frequencies = torch.arange(weight.shape[1] // 2, dtype=weight.dtype) % 8 + 1
    angles = values[:, None] * frequencies * torch.pi / 2
    curves = torch.cat([angles.sin(), angles.cos()], dim=1)
    weight[tokens.start : tokens.stop, : curves.shape[1]] = curves * weight.std() * 2


__all__ = [
    "Attributes",
    "PromptEncoder",
    "PromptTokenizer",
    "TextConfig",
    "build_prompt",
]
