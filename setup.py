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
    packages=["hrin_plugin", "hrin_plugin.mixing"],
    python_requires=">=3.10,<3.14",
    install_requires=[
        # torchaudio's last release is built for CUDA 13.0, as torch 2.11 to 2.14 are; torch 2.15 is not.
        "torch>=2.11,<2.15",
        "torchaudio>=2.11,<2.12",
        "speechbrain>=1.1,<2",
        "hyperpyyaml>=1.2",
        "numpy>=1.26",
        "scipy>=1.11",
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
        "plots": ["matplotlib>=3.7"],
        "test": [
            "hypothesis>=6",
            "librosa>=0.10",
            "matplotlib>=3.7",
            "pytest>=8",
            "pytest-xdist>=3",
            "ruff>=0.6",
            "submitit>=1.5",
        ],
    },
    entry_points={"console_scripts": ["hrin=hrin_plugin.cli:main"]},
    classifiers=[
        "License :: OSI Approved :: Apache Software License",
        "Programming Language :: Python :: 3",
        "Topic :: Multimedia :: Sound/Audio :: Analysis",
    ],
)
