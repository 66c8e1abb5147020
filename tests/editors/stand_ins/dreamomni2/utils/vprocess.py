"""Stands in for dvlab-research/DreamOmni2: utils/vprocess.py."""


def resizeinput(img):
    return img.resize((1248, 832))


def process_vision_info(conversations, return_video_kwargs=False):
    ((image, _),) = (message["content"] for message in conversations)
    return [image["image"]], None
