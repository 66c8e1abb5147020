"""The language side of the embedded editor: a tokenizer of whole words, and a small Qwen2.5-VL.

The editor understands a closed set of words: those of PROMPTS with every name of an expression in them, of
the library's attributes and of FED-Bench's instructions.
"""

import json
import re
from collections.abc import Iterator
from functools import cache

import torch
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration, Qwen2Tokenizer
from transformers.models.qwen2.tokenization_qwen2 import PRETOKENIZE_REGEX
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from pixelsmile.editing.prompts import PICTURE, PREFIX, SUFFIX
from pixelsmile.expressions import DOMAINS, EXPRESSIONS, NEUTRAL, SYNONYMS, Domain, target_prompt
from pixelsmile.portraits.instructions import dense_instruction
from recipes.embedded.drawings import Drawing, combinations_of
from recipes.embedded.plan import EditorPlan, PicturePlan

SPECIAL_TOKENS = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
)

# The adapter's own prompt first; the others are ways in which people put it.
PROMPTS = (
    "Edit the {subject} to show a {word} expression",
    "Make the {subject} look {word}",
    "Give the {subject} a {word} face",
    "Make the {subject} look {word}.",
)


def phrased(word: str, domain: Domain, wording: int) -> str:
    """One of the PROMPTS with `word` in it; wording 0 is exactly `target_prompt`."""
    if wording == 0:
        return target_prompt(word, domain)
    return PROMPTS[wording].format(subject="person" if domain == "human" else "character", word=word)


def dual_prompt(drawing: Drawing) -> str:
    """Category, intensity and attributes of a combination (PixelSmile, section 3.1)."""
    assert drawing.combination is not None
    combination = combinations_of(drawing.expression)[drawing.combination]
    return combination.prompt(drawing.strength, drawing.domain)


def dense_prompt(source: Drawing, target: Drawing) -> str:
    """As FED-Bench asks densely for a drawing."""
    return dense_instruction(source.expression, target.expression, target.units, target.strength)


def prompts() -> Iterator[str]:
    """Prompts in which every word of every prompt comes up."""
    for domain in DOMAINS:
        for word in SYNONYMS:
            for wording in range(len(PROMPTS)):
                yield phrased(word, domain, wording)
        at_rest = Drawing(0, domain, NEUTRAL, 0.0)
        for name in EXPRESSIONS:
            yield dense_prompt(Drawing(0, domain, name, 1.0), at_rest)
            for strength in PicturePlan().strengths:
                for combination in range(len(combinations_of(name))):
                    drawing = Drawing(0, domain, name, strength, combination)
                    yield dual_prompt(drawing)
                    yield dense_prompt(at_rest, drawing)
            yield dense_prompt(at_rest, Drawing(0, domain, name, 1.0))


def corpus() -> Iterator[str]:
    """Every text that the tokenizer must hold as whole words."""
    yield PREFIX
    yield PICTURE
    yield SUFFIX
    yield from prompts()


def known_words() -> list[str]:
    """Every word of the prompts that the editor is trained on."""
    return list(dict.fromkeys(word for prompt in prompts() for word in re.findall(r"\w+", prompt)))


@cache
def build_tokenizer() -> Qwen2Tokenizer:
    """Byte-level BPE with Qwen's pre-tokenizer and marks, merged until each word of the corpus is a token."""
    bpe = Tokenizer(models.BPE())
    bpe.normalizer = normalizers.NFC()  # pyright: ignore[reportAttributeAccessIssue]
    bpe.pre_tokenizer = pre_tokenizers.Sequence(  # pyright: ignore[reportAttributeAccessIssue]
        [
            pre_tokenizers.Split(Regex(PRETOKENIZE_REGEX), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=8192,
        min_frequency=1,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=list(SPECIAL_TOKENS),
        show_progress=False,
    )
    bpe.train_from_iterator(corpus(), trainer)
    model = json.loads(bpe.to_str())["model"]
    merges = [tuple(merge) for merge in model["merges"]]
    return Qwen2Tokenizer(
        vocab=model["vocab"],
        merges=merges,
        additional_special_tokens=list(SPECIAL_TOKENS[1:]),
        model_max_length=1024,
    )


def build_image_processor() -> Qwen2VLImageProcessorPil:
    """The stock processor: patches of 14 px, merged two by two into tokens."""
    return Qwen2VLImageProcessorPil(min_pixels=56 * 56, max_pixels=384 * 384)


def build_text_encoder(
    plan: EditorPlan, tokenizer: Qwen2Tokenizer, seed: int
) -> Qwen2_5_VLForConditionalGeneration:
    """An untrained small Qwen2.5-VL whose marks are the tokenizer's."""
    torch.manual_seed(seed)
    token = tokenizer.convert_tokens_to_ids
    heads = plan.text_dim // 32
    config = Qwen2_5_VLConfig(
        text_config={
            "vocab_size": len(tokenizer),
            "hidden_size": plan.text_dim,
            "intermediate_size": 4 * plan.text_dim,
            "num_hidden_layers": plan.text_layers,
            "num_attention_heads": heads,
            "num_key_value_heads": heads,
            "max_position_embeddings": 2048,
            "rope_parameters": {"rope_type": "default", "mrope_section": [4, 6, 6], "rope_theta": 10000.0},
            "bos_token_id": None,
            "eos_token_id": token("<|im_end|>"),
            "pad_token_id": token("<|endoftext|>"),
        },
        vision_config={
            "depth": 1,
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_heads": 2,
            "out_hidden_size": plan.text_dim,
            "fullatt_block_indexes": [0],
        },
        image_token_id=token("<|image_pad|>"),
        video_token_id=token("<|video_pad|>"),
        vision_start_token_id=token("<|vision_start|>"),
        vision_end_token_id=token("<|vision_end|>"),
        tie_word_embeddings=True,
    )
    return Qwen2_5_VLForConditionalGeneration(config)
