"""Small pictures in several formats, and what Pillow makes of them.

usage: python3 pictures.py    (in this folder; needs Pillow and numpy)

NAME.png, NAME.jpg ... are the pictures, drawn here. NAME.rgb is Pillow's convert("RGB") of each, NAME.16x12.rgb and
NAME.50x41.rgb that resized with Image.BILINEAR, NAME.gray convert("L"): raw bytes, rows from the top.
"""
import numpy as np
from PIL import Image

W, H = 37, 23
rng = np.random.default_rng(5)
y, x = np.mgrid[0:H, 0:W]
smooth = np.stack([x * 255 / (W - 1), y * 255 / (H - 1), 127 + 120 * np.sin(x / 5.0) * np.cos(y / 4.0)], -1).astype(np.uint8)
noise = rng.integers(0, 256, (H, W, 3), dtype=np.uint8)
alpha = np.concatenate([noise, rng.integers(0, 256, (H, W, 1), dtype=np.uint8)], -1)

pictures = {
    "noise.png": (Image.fromarray(noise), {}),
    "alpha.png": (Image.fromarray(alpha, "RGBA"), {}),
    "gray.png": (Image.fromarray(noise[..., 0], "L"), {}),
    "palette.png": (Image.fromarray(smooth).quantize(17), {}),
    "palette.gif": (Image.fromarray(smooth).quantize(17), {}),
    "noise.bmp": (Image.fromarray(noise), {}),
    "lossless.webp": (Image.fromarray(noise), {"lossless": True}),
    "full.jpg": (Image.fromarray(smooth), {"quality": 90, "subsampling": 0}),
    "half.jpg": (Image.fromarray(smooth), {"quality": 90, "subsampling": 2}),
    "gray.jpg": (Image.fromarray(smooth[..., 2], "L"), {"quality": 85}),
}
for name, (picture, options) in pictures.items():
    picture.save(name, **options)
    read = Image.open(name).convert("RGB")
    open(name + ".rgb", "wb").write(read.tobytes())
    open(name + ".gray", "wb").write(read.convert("L").tobytes())
    for size in [(16, 12), (50, 41), (37, 9)]:
        open(f"{name}.{size[0]}x{size[1]}.rgb", "wb").write(read.resize(size, Image.BILINEAR).tobytes())
