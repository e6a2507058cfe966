"""Package description of hrin_plugin."""

from pathlib import Path

from setuptools import setup

setup(
    name="hrin-plugin",
    version="0.1.0",
    description="Music detection and music relative loudness estimation with HRIN, on SpeechBrain",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    packages=["hrin_plugin"]
    + [f"hrin_plugin.{name}" for name in ("audio", "commands", "decoding", "formats", "mixing")],
    package_data={"hrin_plugin": ["models/*/*"]},
    python_requires=">=3.10,<3.14",
    install_requires=[
        # torchaudio's last release is built for CUDA 13.0, as torch 2.11 to 2.14 are; torch 2.15 is not.
        "torch>=2.11,<2.15",
        "torchaudio>=2.11,<2.12",
        "speechbrain>=1.1,<2",
        "hyperpyyaml>=1.2",
        "pyyaml>=6",
        "huggingface_hub>=0.20",
        "numpy>=1.26",
        "scipy>=1.11",
        "librosa>=0.10",
        "soundfile>=0.13",
        "soxr>=0.5",
        "pyloudnorm>=0.1.1",
        "safetensors>=0.4",
        "sed_eval==0.2.1",
        # sed_eval imports pkg_resources, which setuptools 81 removed.
        "setuptools<81",
        "tqdm>=4.60",
        "filelock>=3.12",
    ],
    extras_require={
        "cluster": ["submitit>=1.5"],
        "ffmpeg": ["imageio-ffmpeg>=0.5"],
        "onnx": ["onnx>=1.16", "onnxruntime>=1.18"],
        "plots": ["matplotlib>=3.7"],
        "ray": ["ray>=2.9"],
        "test": [
            "hypothesis>=6",
            "imageio-ffmpeg>=0.5",
            "jams>=0.3.4",
            "matplotlib>=3.7",
            "onnx>=1.16",
            "onnxruntime>=1.18",
            "pandas>=2",
            "pyannote.core>=5",
            "pyannote.database>=5",
            "pytest>=8",
            "pytest-xdist>=3",
            "ray>=2.9",
            "ruff>=0.6",
            "submitit>=1.5",
            "textgrid>=1.5",
            "webvtt-py>=0.5",
        ],
    },
    entry_points={"console_scripts": ["hrin=hrin_plugin.cli:main"]},
    classifiers=[
        "License :: OSI Approved :: Apache Software License",
        "Programming Language :: Python :: 3",
        "Topic :: Multimedia :: Sound/Audio :: Analysis",
    ],
)
