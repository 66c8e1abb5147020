"""Of accelerate, what BAGEL's wrapper asks of it."""

from contextlib import contextmanager

from calls import record


@contextmanager
def init_empty_weights(include_buffers=None):
    yield


def infer_auto_device_map(model, max_memory=None, no_split_module_classes=None):
    assert max_memory == {0: "80GiB"}
    assert no_split_module_classes == ["Bagel", "Qwen2MoTDecoderLayer"]
    return {"language_model.model.embed_tokens": 0, "connector": 1}


def load_checkpoint_and_dispatch(
    model, checkpoint, device_map=None, offload_buffers=False, dtype=None, force_hooks=False
):
    assert offload_buffers
    assert force_hooks
    assert model.vit_model.vision_model.embeddings.is_linear
    record(
        "bagel.load",
        checkpoint=checkpoint,
        dtype=dtype,
        connector=device_map["connector"],
        **{
            "others": device_map["vae2llm"],
        },
    )
    return model
