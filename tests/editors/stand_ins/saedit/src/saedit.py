"""Stands in for ronen94/SAEdit: src/saedit.py."""

from calls import record


class SAEditCallback:
    def __init__(
        self,
        pipeline,
        sae,
        source_tokens_to_edit,
        factor,
        sentence_pairs,
        prompt=None,
        max_sequence_length=256,
    ):
        self.sae, self.prompt, self.tokens = sae, prompt, source_tokens_to_edit
        self.cache = {}
        self.interpolation_factors = self.calculate_factor(factor)
        self.sae.seen = sentence_pairs[-1][1]
        record("SAEditCallback", target=sentence_pairs[0][1])

    @staticmethod
    def calculate_factor(factor):
        return [factor * step / 40 for step in range(1, 41)]

    def get_idx_to_edit(self, sentence):
        found = [index for index, word in enumerate(sentence.split()) if word in self.tokens]
        return [index for index in found if len(sentence.split()[index]) < 12], sentence.split()

    def __call__(self, pipe, step_index, timestep, callback_kwargs):
        if self.prompt not in self.cache:
            self.cache[self.prompt] = self.sae.seen = self.prompt
        assert self.sae.seen == self.prompt, "decoded with the scale of another sentence"
        assert self.interpolation_factors[step_index] >= 0
        return callback_kwargs
