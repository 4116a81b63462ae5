"""What convolutions and pools share: their windows, and sequences as images with one row."""

from operator import lt
from typing import Any, ClassVar

import numpy as np

from engine.backend import xp_of
from engine.errors import ConfigError, ShapeError
from engine.nn.array_checks import check_input
from engine.nn.layer import Array, Layer
from engine.nn.operations.geometry import Geometry, short


class Windowed(Layer):
    """A layer of windows over images [B, C, H, W], or over sequences [B, C, T]."""

    axes: ClassVar[int] = 2  # 1 for sequences
    geometry: Geometry
    _fixed = ("size", "window", "stride", "padding", "dilation", "output_padding")

    def _place(self, call: str, size: Any, stride: Any, padding: Any, dilation: Any) -> list[Any]:
        """Set the windows from size, stride, padding and dilation, and return these as a file has
        them. ConfigError, with the arguments of the `call`, for windows that cannot be.
        """
        try:
            self.geometry = Geometry.of(size, stride, padding, dilation, self.axes)
        except ConfigError as error:
            raise ConfigError(f"{type(self).__name__}({call}): {error}") from error
        return [short(setting[-self.axes :]) for setting in self.geometry]

    def _image(self, x: Array) -> Array:
        """Return an array with two axes behind its channels."""
        if self.axes == 2:
            return x
        return x[:, :, None]

    def _sequence(self, image: Array) -> Array:
        """Undo `_image`."""
        if self.axes == 2:
            return image
        return image[:, :, 0]

    def _checked(self, x: Array, channels: int | str, dtype: Any = "floating") -> Array:
        """Return x as an image; ShapeError unless it has these channels."""
        if self.axes == 2:
            check_input(self, x, "B", channels, "H", "W", dtype=dtype)
        else:
            check_input(self, x, "B", channels, "T", dtype=dtype)
        return self._image(x)

    def mask_behind(self, mask: Array) -> Array:
        """Show the places that each sequence would have alone, without what fills it up."""
        if self.axes == 2:
            return mask
        places = mask.shape[1]
        xp = xp_of(mask)
        return mask[:, xp.asarray(np.clip(self._needed(places), 0, places - 1))]

    @property
    def first_needed(self) -> int:
        """Which place of a sequence must be there for the first place of the result."""
        return self.geometry.extents[1] - 1 - sum(self.geometry.padding[1])

    def _needed(self, places: int) -> np.ndarray:
        """Return of each place of the result which place of a sequence must be there for it."""
        _, count = self._at(1, places).sides((1, places))
        return self.first_needed + np.arange(count) * self.geometry.stride[1]

    def _at(self, *sides: int) -> Geometry:
        """Return the windows over images of these sides."""
        return self.geometry

    def _check_sides(self, image: Array, windows: Geometry) -> None:
        """Raise ShapeError for an image that is smaller than a window."""
        if any(map(lt, image.shape[2:], windows.least)):
            sides, least = image.shape[-self.axes :], windows.least[-self.axes :]
            raise ShapeError(
                f"{type(self).__name__}: expected sides >= {[*least]}, found {[*sides]}"
            )
