"""Stands in for ByteDance-Seed/Bagel: data/transforms.py."""


class ImageTransform:
    def __init__(self, max_image_size, min_image_size, image_stride):
        self.numbers = max_image_size, min_image_size, image_stride
