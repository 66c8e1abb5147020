"""Of diffusers, what the wrappers and the other stand-ins use."""

from calls import picture, record


class DiffusionPipeline:
    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path, **kwargs):
        made = cls()
        made.place, made.adapters = "cpu", {}
        made.parts = {name: part for name, part in kwargs.items() if hasattr(part, "__dict__")}
        record(
            f"{cls.__name__}.from_pretrained",
            path=pretrained_model_name_or_path,
            **{name: value for name, value in kwargs.items() if name not in made.parts},
        )
        return made

    def to(self, *args, **kwargs):
        (self.place,) = args
        return self

    def enable_model_cpu_offload(self, gpu_id=None, device="cuda"):
        self.place = "offloaded"

    def load_lora_weights(self, pretrained_model_name_or_path_or_dict, adapter_name=None, **kwargs):
        self.adapters[adapter_name] = pretrained_model_name_or_path_or_dict

    def set_adapters(self, adapter_names, adapter_weights=None):
        assert set(adapter_names) <= set(self.adapters)
        self.active = adapter_names, adapter_weights


class Output:
    def __init__(self, *images, final_images=None):
        self.images, self.final_images = list(images), final_images


class FluxPipeline(DiffusionPipeline):
    def __call__(
        self,
        prompt=None,
        height=None,
        width=None,
        num_inference_steps=28,
        guidance_scale=3.5,
        generator=None,
        callback_on_step_end=None,
        callback_on_step_end_tensor_inputs=("latents",),
        max_sequence_length=512,
    ):
        assert self.place == "offloaded"
        assert callback_on_step_end_tensor_inputs == ["prompt_embeds"]
        for step in range(num_inference_steps):
            callback_on_step_end(self, step, 0, {"prompt_embeds": prompt})
        return Output(
            picture(
                (width, height),
                prompt,
                seed=generator.seed,
                guidance=guidance_scale,
                last=callback_on_step_end.interpolation_factors[-1],
            )
        )


class FluxKontextPipeline(DiffusionPipeline):
    def encode_prompt(self, prompt, prompt_2=None):
        assert prompt == prompt_2
        return f"embeddings of {prompt}", f"pooled {prompt}", None

    def __call__(self, image=None, prompt=None, height=None, width=None, generator=None, **others):
        assert self.place == "cuda"
        assert prompt is not None
        assert not others
        ratio = (1024 * 1024 / (height * width)) ** 0.5  # a megapixel of that form
        size = tuple(int(side * ratio) // 16 * 16 for side in (width, height))
        return Output(picture(size, prompt, seed=generator.seed, adapters=getattr(self, "active", None)))


class ModelMixin:
    dtype = "float32"

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path, **kwargs):
        record(f"{cls.__name__}.from_pretrained", path=pretrained_model_name_or_path, **kwargs)
        return cls()

    def eval(self):
        return self


def __getattr__(name):
    if name == "Step1XEditPipelineV1P2":  # of the fork, which has it in a file of its own
        from pipeline_step1x_edit_v1p2 import Step1XEditPipelineV1P2

        return Step1XEditPipelineV1P2
    if name in ("StableDiffusionPipeline", "DDIMScheduler"):  # with the real torch, which takes seconds
        from diffusers import stable_diffusion

        return getattr(stable_diffusion, name)
    raise AttributeError(name)
