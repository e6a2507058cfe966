"""Sizes and settings that networks have on torch and as ONNX graphs."""

#: Feature maps of a convolutional unit, its kernels and strides (paper, section V-D).
CONV_CHANNELS, CONV_KERNEL, CONV_STRIDE = (64, 128, 256), 3, 2

#: Kernels and poolings of MMG.
MMG_KERNEL, MMG_POOLING = 3, 2

#: Where HRIN's paths are concatenated (Fig. 7).
CONCATENATIONS = ("input", "after_conv", "before_fc")


def conv_output_size(input_size: int, channels: tuple[int, ...] = CONV_CHANNELS) -> int:
    """Values that a convolutional unit gives for each frame, eq. (17) and (18).

    Arguments
    ---------
    input_size : int
        Values of a frame.
    channels : tuple of int
        Feature maps of the convolutions.

    Returns
    -------
    int
        Channels times the width that convolutions and poolings leave.

    Raises
    ------
    ValueError
        If they leave nothing.

    Example
    -------
    >>> conv_output_size(128)
    256
    """
    width = input_size
    for _ in range(2 * len(channels)):  # a convolution and a pooling each
        width = (width - CONV_KERNEL) // CONV_STRIDE + 1
    if width < 1:
        raise ValueError(f"{input_size} values a frame are too few for {len(channels)} convolutions")
    return channels[-1] * width


def check_concatenation(concatenation: str, conv_unit: bool) -> None:
    """Raise ValueError for an unknown place of concatenation, or one that needs convolutions.

    Arguments
    ---------
    concatenation : str
        One of :data:`CONCATENATIONS`.
    conv_unit : bool
        Whether the network has convolutional units.

    Raises
    ------
    ValueError
        If there is no such place.

    Example
    -------
    >>> check_concatenation("input", conv_unit=False)
    """
    if concatenation not in CONCATENATIONS:
        raise ValueError(f"unknown concatenation {concatenation!r}; use one of {CONCATENATIONS}")
    if concatenation == "after_conv" and not conv_unit:
        raise ValueError("concatenation 'after_conv' needs conv_unit")


def check_blocks(input_size: int, block_frames: int, n_poolings: int) -> None:
    """Raise ValueError for blocks of MMG that are too small for its poolings.

    Arguments
    ---------
    input_size, block_frames : int
        Values of a frame, and frames of a block.
    n_poolings : int
        How often it pools.

    Raises
    ------
    ValueError
        If nothing is left.

    Example
    -------
    >>> check_blocks(128, 128, n_poolings=4)
    """
    if min(input_size, block_frames) < MMG_POOLING**n_poolings:
        raise ValueError(
            f"blocks of {block_frames} frames of {input_size} values are too small for {n_poolings} poolings"
        )
