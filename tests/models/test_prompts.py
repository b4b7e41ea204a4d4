"""Sentences say what is known and nothing else."""

import math

import pytest
import torch

from spinecast.errors import CohortError, ModelError
from spinecast.models.prompts import (
    Attributes,
    PromptEncoder,
    PromptTokenizer,
    TextConfig,
    build_prompt,
)

EVERYTHING = Attributes(
    age=71.6,
    sex="M",
    bmi=23.7,
    prevalent_vf=1,
    glucocorticoids=0,
    prior_fracture=1.0,
    rheumatoid_arthritis=False,
    secondary_osteoporosis=True,
)


def test_age_and_sex_alone_give_the_published_prompt():
    assert build_prompt(Attributes(age=72, sex="F")) == "An image of 72 years old female"
    assert build_prompt(Attributes(age=72.4, sex="M")) == "An image of 72 years old male"


def test_nothing_known_is_said_as_nothing():
    assert build_prompt(Attributes()) == "An image of a spine"
    assert build_prompt(Attributes(), years_later=5) == "An image of a spine, 5 years later"


def test_half_known_people_are_described_by_the_half():
    assert build_prompt(Attributes(age=60)) == "An image of 60 years old person"
    assert build_prompt(Attributes(sex="F")) == "An image of female"


def test_every_known_attribute_is_said_and_its_absence_too():
    assert build_prompt(EVERYTHING, years_later=10) == (
        "An image of 72 years old male, body mass index 24, with vertebral fracture, "
        "without glucocorticoids, with prior fracture, without rheumatoid arthritis, "
        "with secondary osteoporosis, 10 years later"
    )


def test_nan_means_unknown():
    given = Attributes(age=math.nan, sex=None, bmi=math.nan, prevalent_vf=math.nan)
    assert given == Attributes()
    assert Attributes(age=50.0, sex=float("nan")) == Attributes(age=50.0)


def test_older_people_lose_what_cannot_be_foretold():
    assert EVERYTHING.older(10) == Attributes(age=81.6, sex="M")
    assert Attributes(sex="F").older(10) == Attributes(sex="F")


def test_an_unknown_sex_code_is_refused():
    with pytest.raises(CohortError, match="SC-302"):
        Attributes(sex="female")


def test_the_longest_sentence_fits():
    tokens = PromptTokenizer()([build_prompt(EVERYTHING, years_later=120)])[0]
    end = PromptTokenizer().vocabulary["<end>"]
    assert (tokens == end).sum() == 1
    assert PromptTokenizer().vocabulary["<unknown>"] not in tokens


def test_integers_are_tokens_of_their_own():
    tokenizer = PromptTokenizer()
    a, b = tokenizer(["An image of 72 years old female", "An image of 73 years old female"])
    assert (a != b).sum() == 1
    assert b.max() < len(tokenizer)
    assert (b - a).sum() == 1
    assert len(tokenizer.number_tokens()) == 121


def test_male_is_not_found_inside_female():
    tokenizer = PromptTokenizer()
    assert tokenizer.vocabulary["male"] not in tokenizer(["An image of female"])[0]


def test_words_outside_the_vocabulary_are_marked_unknown():
    tokenizer = PromptTokenizer()
    assert tokenizer.vocabulary["<unknown>"] in tokenizer(["An image of a knee"])[0]
    assert tokenizer([""])[0].tolist()[:3] == [1, 2, 0]


def test_a_sentence_too_long_is_cut_but_closed():
    tokenizer = PromptTokenizer(length=5)
    assert tokenizer(["1 2 3 4 5 6 7"])[0].tolist()[-1] == tokenizer.vocabulary["<end>"]


def test_the_encoder_gives_one_vector_a_token():
    torch.manual_seed(0)
    encoder = PromptEncoder(TextConfig(width=16, layers=1)).eval()
    tokens = encoder.tokenize(["An image of a spine", "An image of 50 years old male"])
    with torch.no_grad():
        context = encoder(tokens)
    assert context.shape == (2, 26, 16)
    assert not torch.allclose(context[0], context[1])


def test_neighbouring_ages_start_as_neighbours():
    torch.manual_seed(0)
    encoder = PromptEncoder(TextConfig(width=32, layers=1))
    weight = encoder.model.get_input_embeddings().weight.detach()
    ages = weight[encoder.tokenizer.number_tokens().start :][:121]
    near = (ages[70] - ages[71]).norm()
    far = (ages[50] - ages[90]).norm()
    assert near < far / 3


def test_a_missing_local_clip_is_said(tmp_path):
    with pytest.raises(ModelError, match="SC-406"):
        PromptEncoder(TextConfig(clip_path=str(tmp_path)))


def test_a_local_clip_is_read(tmp_path):
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    characters = [chr(c) for c in range(33, 127)]
    words = characters + [c + "</w>" for c in characters] + ["<|startoftext|>", "<|endoftext|>"]
    vocabulary = {word: i for i, word in enumerate(words)}
    tokenizer = CLIPTokenizer(vocab=vocabulary, merges=[])
    tokenizer.save_pretrained(tmp_path)
    shape = CLIPTextConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=40,
        bos_token_id=len(words) - 2,
        eos_token_id=len(words) - 1,
        pad_token_id=len(words) - 1,
    )
    CLIPTextModel(shape).save_pretrained(tmp_path, safe_serialization=True)
    encoder = PromptEncoder(TextConfig(width=16, length=40, clip_path=str(tmp_path)))
    tokens = encoder.tokenize(["An image of a spine"])
    assert tokens.shape == (1, 40)
    assert encoder(tokens).shape == (1, 40, 16)
