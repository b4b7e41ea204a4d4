"""Hand features, queries and keys of one denoising network to another at the same place.

Diff-X draws with two networks of one shape: the structure network sees the person,
the prompt network reads the sentence, and at chosen blocks of the up path the
second's ResNet features and self-attention queries and keys are replaced by the
first's (after Plug-and-Play features, Tumanyan et al., CVPR 2023).

Blocks are counted from 0 along the up path, as Plug-and-Play counts Stable
Diffusion's twelve output blocks: block 5 is the last at a quarter of the latents'
resolution there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from spinecast.errors import error

#: Which blocks' features, and which blocks' queries and keys.
Blocks = tuple[frozenset[int], frozenset[int]]

#: Attention maps of more positions than this are not kept in memory to be shared by draws.
LARGEST_SHARED_MAP = 1024


@dataclass(frozen=True)
class InjectionConfig:
    """Where and when the structure network's features are handed over.

    Attributes
    ----------
    feature_blocks
        Up-path blocks whose ResNet output is replaced; published: the fifth.
    attention_blocks
        Up-path blocks whose self-attention queries and keys are replaced; not
        reported, Plug-and-Play takes 4 to 11.
    feature_timesteps, attention_timesteps
        First timestep (included) and last (excluded) of the noise schedule at which
        it happens; (0, 1000) is always. Not reported; Plug-and-Play's defaults for 50
        steps correspond to (200, 1000) and (500, 1000).
    """

    feature_blocks: tuple[int, ...] = (5,)
    attention_blocks: tuple[int, ...] = (5, 6, 7, 8)
    feature_timesteps: tuple[int, int] = (0, 1000)
    attention_timesteps: tuple[int, int] = (0, 1000)

    @classmethod
    def none(cls) -> InjectionConfig:
        """Return the configuration of a single network that is handed nothing."""
        return cls(feature_blocks=(), attention_blocks=())

    def at(self, timestep: int) -> Blocks:
        """Return the blocks whose features, and whose queries and keys, are replaced now."""
        features = self.feature_blocks if _within(timestep, self.feature_timesteps) else ()
        attention = self.attention_blocks if _within(timestep, self.attention_timesteps) else ()
        return frozenset(features), frozenset(attention)

    def always(self) -> bool:
        """Return whether every timestep of a thousand hands over the same."""
        return all(
            low <= 0 and high >= 1000
            for low, high in (self.feature_timesteps, self.attention_timesteps)
        )


@dataclass
class Features:
    """What one pass of the structure network leaves, by up-path block; one row per image.

    ``guess`` are the clean latents read off the features, where the pair does that.
    """

    blocks: dict[int, torch.Tensor] = field(default_factory=dict)
    queries: dict[int, torch.Tensor] = field(default_factory=dict)
    keys: dict[int, torch.Tensor] = field(default_factory=dict)
    guess: torch.Tensor | None = None

    def rows(self, index: torch.Tensor) -> Features:
        """Return the features of some of the images."""
        return self._changed(lambda kept: kept[index])

    def to(self, dtype: torch.dtype) -> Features:
        """Return the features in another precision."""
        return self._changed(lambda kept: kept.to(dtype))

    def _changed(self, change: Callable[[torch.Tensor], torch.Tensor]) -> Features:
        def each(part: dict[int, torch.Tensor]) -> dict[int, torch.Tensor]:
            return {block: change(kept) for block, kept in part.items()}

        guess = None if self.guess is None else change(self.guess)
        return Features(each(self.blocks), each(self.queries), each(self.keys), guess)


@dataclass
class _Recording:
    feature_blocks: frozenset[int]
    attention_blocks: frozenset[int]
    features: Features


@dataclass
class _Replacing:
    features: Features


#: What the hooks do now. A context variable, so that threads sharing a network do not meet.
_active: ContextVar[_Recording | _Replacing | None] = ContextVar("handover", default=None)


def attach_handover(unet: nn.Module) -> nn.Module:
    """Install the hooks on a ``UNet2DConditionModel``; without a context they do nothing."""
    for block, (resnet, attention) in enumerate(up_path(unet)):
        resnet.register_forward_hook(_FeatureHook(block))
        if attention is not None:
            for layer in attention.transformer_blocks:
                layer.attn1.set_processor(_HandoverAttention(block))
    return unet


def up_path(unet: Any) -> list[tuple[nn.Module, Any]]:
    """Return ResNet and attention (None where there is none) of each up-path block, in order."""
    return [
        (resnet, attentions[i] if attentions is not None else None)
        for up in unet.up_blocks
        for attentions in [getattr(up, "attentions", None)]
        for i, resnet in enumerate(up.resnets)
    ]


def check_blocks(config: InjectionConfig, unet: nn.Module) -> None:
    """Refuse blocks that the network lacks.

    Raises
    ------
    ModelError
        SC-407 for a block beyond the up path, or attention asked of a block without.
    """
    path = up_path(unet)
    with_attention = {i for i, (_, attention) in enumerate(path) if attention is not None}
    wrong = (set(config.feature_blocks) - set(range(len(path)))) | (
        set(config.attention_blocks) - with_attention
    )
    if wrong:
        raise error(
            "SC-407",
            expected=f"blocks 0 to {len(path) - 1}, attention at {sorted(with_attention)}",
            got=", ".join(str(block) for block in sorted(wrong)),
            where="feature injection",
        )


@contextmanager
def recording(
    feature_blocks: frozenset[int], attention_blocks: frozenset[int]
) -> Iterator[Features]:
    """Keep what passes at the given blocks while the body runs the structure network."""
    features = Features()
    token = _active.set(_Recording(feature_blocks, attention_blocks, features))
    try:
        yield features
    finally:
        _active.reset(token)


@contextmanager
def replacing(features: Features) -> Iterator[None]:
    """Replace, while the body runs the prompt network, whatever ``features`` holds.

    The prompt network's rows must be whole repeats of the features' rows: all rows
    of the first image, then all of the second.
    """
    token = _active.set(_Replacing(features))
    try:
        yield
    finally:
        _active.reset(token)


def predict_above(
    unet: Any,
    sample: torch.Tensor,
    timestep: torch.Tensor,
    *,
    context: torch.Tensor,
    features: Features,
    draws: int = 1,
) -> torch.Tensor:
    """Run only the part of the prompt network that a replaced feature leaves alive.

    Where a block's ResNet output is replaced, nothing computed below it reaches the
    output: the rest of the down path, the middle and the earlier up path are skipped.
    Whatever then depends on image and sentence only is computed once for all draws.
    Equal to the full network under :func:`replacing`, up to rounding.

    Parameters
    ----------
    unet
        Prompt network with :func:`attach_handover`.
    sample
        (n * sentences * draws, channels, rows, columns), draws fastest.
    timestep
        One, or one per row of ``sample`` (then ``draws`` must be 1).
    context
        (n * sentences, tokens, width).
    features
        Of n images; must hold at least one block's features.
    draws
        Rows of ``sample`` per row of ``context``.
    """
    last = max(features.blocks)
    path = up_path(unet)
    embedding = unet.time_embedding(unet.get_time_embed(sample=sample, timestep=timestep))
    spoken = unet.get_aug_embed(embedding, context, {})
    if spoken is not None:
        embedding = embedding + repeated(spoken, len(embedding))
    per_row = context.repeat_interleave(draws, dim=0) if draws > 1 else context
    with replacing(features):
        skips = list(_skips(unet, sample, embedding, context=per_row, count=len(path) - last - 1))
        hidden = repeated(features.blocks[last], len(context))
        hidden = _after_resnet(unet, last, hidden, context=context)
        hidden = repeated(hidden, len(sample))
        for block in range(last + 1, len(path)):
            hidden = path[block][0](torch.cat([hidden, skips.pop()], dim=1), embedding)
            hidden = _after_resnet(unet, block, hidden, context=per_row)
        return unet.conv_out(unet.conv_act(unet.conv_norm_out(hidden)))


def _skips(
    unet: Any, sample: torch.Tensor, embedding: torch.Tensor, *, context: torch.Tensor, count: int
) -> Iterator[torch.Tensor]:
    """Yield the first ``count`` outputs of the down path that the up path takes up again."""
    if count == 0:
        return
    hidden = unet.conv_in(sample)
    yield hidden
    for down in unet.down_blocks:
        attentions = getattr(down, "attentions", None)
        for i, resnet in enumerate(down.resnets):
            count -= 1
            if count == 0:
                return
            hidden = resnet(hidden, embedding)
            if attentions is not None:
                hidden = attentions[i](hidden, encoder_hidden_states=context, return_dict=False)[0]
            yield hidden
        for downsampler in down.downsamplers or ():
            count -= 1
            if count == 0:
                return
            hidden = downsampler(hidden)
            yield hidden


def _after_resnet(
    unet: Any, block: int, hidden: torch.Tensor, *, context: torch.Tensor
) -> torch.Tensor:
    """Run what follows a block's ResNet: its attention, and the upsampler after a level."""
    attention = up_path(unet)[block][1]
    if attention is not None:
        hidden = attention(hidden, encoder_hidden_states=context, return_dict=False)[0]
    end = 0
    for up in unet.up_blocks:
        end += len(up.resnets)
        if block == end - 1:
            for upsampler in up.upsamplers or ():
                hidden = upsampler(hidden)
    return hidden


def _within(timestep: int, interval: tuple[int, int]) -> bool:
    return interval[0] <= timestep < interval[1]


def repeated(kept: torch.Tensor, rows: int) -> torch.Tensor:
    """Return ``kept`` with each row repeated so often that there are ``rows``."""
    return kept if len(kept) == rows else kept.repeat_interleave(rows // len(kept), dim=0)


class _FeatureHook:
    """Forward hook of one ResNet block."""

    def __init__(self, block: int) -> None:
        self.block = block

    def __call__(
        self, _module: nn.Module, _inputs: Any, output: torch.Tensor
    ) -> torch.Tensor | None:
        active = _active.get()
        if isinstance(active, _Recording) and self.block in active.feature_blocks:
            active.features.blocks[self.block] = output
        elif isinstance(active, _Replacing) and self.block in active.features.blocks:
            return repeated(active.features.blocks[self.block], len(output))
        return None


class _HandoverAttention:
    """Self-attention that can take its queries and keys from outside."""

    def __init__(self, block: int) -> None:
        self.block = block

    def __call__(
        self,
        attn: Any,
        hidden_states: torch.Tensor,
        *,
        encoder_hidden_states: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
    ) -> torch.Tensor:
        del encoder_hidden_states, attention_mask  # self-attention without mask
        value = _by_head(attn.to_v(hidden_states), attn.heads)
        query, key = self._query_and_key(attn, hidden_states)
        attended = _attend(query, key, value).transpose(1, 2).flatten(2)
        return attn.to_out[1](attn.to_out[0](attended))

    def _query_and_key(
        self, attn: Any, hidden_states: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        active = _active.get()
        if isinstance(active, _Replacing) and self.block in active.features.queries:
            return active.features.queries[self.block], active.features.keys[self.block]
        query = _by_head(attn.to_q(hidden_states), attn.heads)
        key = _by_head(attn.to_k(hidden_states), attn.heads)
        if isinstance(active, _Recording) and self.block in active.attention_blocks:
            active.features.queries[self.block] = query
            active.features.keys[self.block] = key
        return query, key


def _by_head(flat: torch.Tensor, heads: int) -> torch.Tensor:
    return flat.unflatten(2, (heads, -1)).transpose(1, 2)


def _attend(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """Return attention, (rows, heads, positions, width), of more values than queries, if need be.

    All rows of one image attend alike, so that its attention map is made once.
    """
    images, rows = len(query), len(value)
    if images == rows:
        return F.scaled_dot_product_attention(query, key, value)
    if query.shape[2] > LARGEST_SHARED_MAP:
        return F.scaled_dot_product_attention(repeated(query, rows), repeated(key, rows), value)
    attention = (query @ key.transpose(2, 3) / query.shape[3] ** 0.5).softmax(dim=-1)
    grouped = value.unflatten(0, (images, rows // images))
    return (attention[:, None] @ grouped).flatten(0, 1)


__all__ = [
    "Blocks",
    "Features",
    "InjectionConfig",
    "attach_handover",
    "check_blocks",
    "predict_above",
    "recording",
    "repeated",
    "replacing",
    "up_path",
]
