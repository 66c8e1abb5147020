"""Stands in for ByteDance-Seed/Bagel: inferencer.py."""

from calls import picture


class InterleaveInferencer:
    def __init__(self, model, vae_model, tokenizer, vae_transform, vit_transform, new_token_ids):
        assert new_token_ids == {"bos_token_id": 1}
        assert vae_transform.numbers == (1024, 512, 16)
        assert vit_transform.numbers == (980, 224, 14)
        assert model.is_evaluating

    def interleave_inference(
        self,
        input_lists,
        think=False,
        max_think_token_n=1000,
        do_sample=False,
        cfg_text_scale=3.0,
        cfg_img_scale=1.5,
        cfg_interval=(0.4, 1.0),
        timestep_shift=3.0,
        num_timesteps=50,
        cfg_renorm_min=0.0,
        cfg_renorm_type="global",
    ):
        source, prompt = input_lists
        assert not do_sample
        seen = {
            "steps": num_timesteps,
            "cfg": [cfg_text_scale, cfg_img_scale],
            "interval": cfg_interval,
            "renorm": cfg_renorm_type,
            "think": think,
        }
        return [picture(source.size, prompt, **seen)]

    def __call__(self, image=None, text=None, **kargs):
        return {"image": self.interleave_inference([image, text], **kargs)[0], "text": None}
