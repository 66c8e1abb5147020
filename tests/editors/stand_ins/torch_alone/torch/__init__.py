"""Of torch, what the wrappers ask of it themselves: quick to import."""

from calls import record

__version__ = "2.8.0+cu128"
bfloat16, float16, float32 = "bfloat16", "float16", "float32"


def manual_seed(seed):
    record("torch.manual_seed", seed=seed)


def load(f, map_location=None, pickle_module=None, *, weights_only=None, mmap=None):
    assert map_location == "cpu"
    assert weights_only is True
    record("torch.load", file=f)
    return {"delta": {"tokenwise_delta": 1.0}}


class Generator:
    def __init__(self, device="cpu"):
        assert isinstance(device, str)
        self.seed = None

    def manual_seed(self, seed):
        assert isinstance(seed, int)
        self.seed = seed
        return self


class no_grad:  # noqa: N801
    def __enter__(self):
        record("no_grad")

    def __exit__(self, *error):
        pass


class Tensor:
    def __init__(self, value, shape=()):
        self.value, self.shape = value, shape

    def reshape(self, *shape):
        return Tensor(self.value, shape)

    def item(self):
        return self.value


def tensor(data, *, dtype=None, device=None):
    return Tensor(data)


class cuda:  # noqa: N801
    @staticmethod
    def is_available():
        return True

    @staticmethod
    def device_count():
        return 1

    @staticmethod
    def empty_cache():
        record("empty_cache")


class nn:  # noqa: N801
    class Module:
        def __init__(self):
            pass

        def load_state_dict(self, state_dict, strict=True, assign=False):
            assert isinstance(state_dict, dict)
            self.is_loaded = True

        def eval(self):
            return self

        def to(self, device):
            return self
