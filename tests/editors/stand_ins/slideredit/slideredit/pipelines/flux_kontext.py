"""Stands in for ArmanZarei/SliderEdit: slideredit/pipelines/flux_kontext.py."""

from calls import record
from diffusers import FluxKontextPipeline


class SliderEditFluxKontextPipeline(FluxKontextPipeline):
    def load_gstlora(self, ckpt):
        record("load_gstlora", file=ckpt)
        self.kind = "gstlora"

    def load_stlora(self, ckpt, lora_rank, lora_dropout):
        record("load_stlora", file=ckpt, rank=lora_rank, dropout=lora_dropout)
        self.kind = "stlora"

    def _gstlora_forward(self, slider_alpha, **kwargs):
        self.active = slider_alpha
        return super().__call__(**kwargs)

    def _stlora_forward(self, prompt, subprompts_list, slider_alpha_list, **kwargs):
        assert all(part in prompt for part in subprompts_list)
        self.active = slider_alpha_list
        return super().__call__(prompt=prompt, **kwargs)

    def __call__(self, **kwargs):
        return {"gstlora": self._gstlora_forward, "stlora": self._stlora_forward}[self.kind](**kwargs)
