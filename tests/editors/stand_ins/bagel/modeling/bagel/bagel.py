"""Stands in for ByteDance-Seed/Bagel: modeling/bagel/bagel.py."""

from transformers import PretrainedConfig, PreTrainedModel


class BagelConfig(PretrainedConfig):
    def __init__(
        self,
        visual_gen=True,
        visual_und=True,
        llm_config=None,
        vit_config=None,
        vae_config=None,
        latent_patch_size=2,
        max_latent_size=32,
        vit_max_num_patch_per_side=70,
        connector_act="gelu_pytorch_tanh",
    ):
        assert visual_gen
        assert visual_und
        assert (llm_config.qk_norm, llm_config.tie_word_embeddings) == (True, False)
        assert llm_config.layer_module == "Qwen2MoTDecoderLayer"
        assert (vit_config.rope, vit_config.num_hidden_layers) == (False, 26)
        assert vae_config == "its parameters"
        assert (latent_patch_size, max_latent_size, vit_max_num_patch_per_side) == (2, 64, 70)


class Bagel(PreTrainedModel):
    def __init__(self, language_model, vit_model, config):
        self.vit_model = vit_model
