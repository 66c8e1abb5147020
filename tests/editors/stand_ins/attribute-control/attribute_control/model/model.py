"""Stands in for CompVis/attribute-control: attribute_control/model/model.py."""

from calls import record

from attribute_control import PromptEmbedding


class Pipe:
    unet = vae = None

    def __init__(self):
        self.unet, self.vae = "large", "large"


class DiffusersModelBase:
    def __init__(self, pipeline_type, model_name, pipe_kwargs=None, device="cuda:0", compile=False):
        assert pipeline_type == "diffusers.StableDiffusionXLPipeline"
        assert pipe_kwargs == {"torch_dtype": "float16"}
        record("SDXL", model=model_name, on=device)
        self.pipe = Pipe()

    @property
    def dims(self):
        return {"openclip_g": 1280}


class SDXL(DiffusersModelBase):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)

    def embed_prompt(self, prompt):
        return PromptEmbedding(prompt, {"scale": 0.0}, {})

    def _get_pipe_kwargs(self, embs, embs_neg=None, start_sample=None, **kwargs):
        assert self.pipe.unet is None
        (emb,) = embs
        return {
            "prompt_embeds": (emb.prompt, emb.tokenwise_embeddings["scale"]),
            "pooled_prompt_embeds": emb.prompt,
            "negative_prompt_embeds": None,
            "negative_pooled_prompt_embeds": None,
        }
