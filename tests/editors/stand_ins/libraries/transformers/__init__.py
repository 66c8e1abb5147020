"""Of transformers, what the wrappers and the other stand-ins use."""

from calls import record


class Qwen2_5_VLForConditionalGeneration:  # noqa: N801
    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path, *, torch_dtype=None, device_map=None):
        record("vlm.from_pretrained", path=pretrained_model_name_or_path, dtype=torch_dtype, on=device_map)
        return cls()

    def generate(self, *, input_ids, pixels, do_sample, max_new_tokens):
        assert not do_sample
        assert pixels
        return [input_ids[0] + input_ids[0]]  # the question, then the answer, which is the question again


class Inputs(dict):
    def to(self, device):
        assert device == "cuda"
        return self

    @property
    def input_ids(self):
        return self["input_ids"]


class AutoProcessor:
    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path):
        return cls()

    def apply_chat_template(self, conversation, *, tokenize, add_generation_prompt):
        assert not tokenize
        assert add_generation_prompt
        ((image, text),) = (message["content"] for message in conversation)
        assert image["type"] == "image"
        return text["text"]

    def __call__(self, *, text, images, videos, padding, return_tensors):
        assert videos is None
        return Inputs(input_ids=[[ord(letter) for letter in text[0]]], pixels=images)

    def batch_decode(self, sequences, *, skip_special_tokens, clean_up_tokenization_spaces):
        answer = "".join(map(chr, sequences[0])).removesuffix(" It is editing task.")
        return [answer if "untagged" in answer else f"<edit>{answer}, it says</edit>"]


class PretrainedConfig:
    @classmethod
    def from_json_file(cls, json_file):
        assert json_file.endswith(".json")
        return cls()


class PreTrainedModel:
    is_evaluating = False

    def eval(self):
        self.is_evaluating = True
        return self


class PreTrainedTokenizer:
    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path):
        return cls()
