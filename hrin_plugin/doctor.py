"""Checks the environment: package versions, devices, and a cure for each problem.

Only the standard library is imported here, so that the check runs in a broken environment.
"""

import importlib
import importlib.metadata
import os
import platform
import sys
import warnings
from typing import NamedTuple


class Finding(NamedTuple):
    """One package: its version, and the problem and cure in one sentence, or an empty string.

    Example
    -------
    >>> Finding("torch", "2.14.0", "").package
    'torch'
    """

    package: str
    version: str
    trouble: str


#: Package to install, module to import, and the cure where the import fails.
CHECKS = (
    ("torch", "torch", 'run: pip install "torch>=2.11,<2.15"'),
    (
        "torchaudio",
        "torchaudio",
        "torch and torchaudio must be of one CUDA build, run: "
        "pip install --force-reinstall 'torch>=2.11,<2.15' 'torchaudio>=2.11,<2.12'",
    ),
    ("speechbrain", "speechbrain", 'run: pip install "speechbrain>=1.1,<2"'),
    ("HyperPyYAML", "hyperpyyaml", "run: pip install hyperpyyaml"),
    ("PyYAML", "yaml", "run: pip install pyyaml"),
    ("huggingface_hub", "huggingface_hub", "run: pip install huggingface_hub"),
    ("numpy", "numpy", "run: pip install numpy"),
    ("scipy", "scipy", "run: pip install scipy"),
    ("soundfile", "soundfile", "run: pip install soundfile"),
    ("soxr", "soxr", "run: pip install soxr"),
    ("pyloudnorm", "pyloudnorm", "run: pip install pyloudnorm"),
    ("safetensors", "safetensors", "run: pip install safetensors"),
    ("filelock", "filelock", "run: pip install filelock"),
    ("tzdata", "tzdata", "run: pip install tzdata"),
    ("setuptools", "pkg_resources", 'sed_eval needs pkg_resources, run: pip install "setuptools<81"'),
    ("sed_eval", "sed_eval", 'run: pip install sed_eval "setuptools<81"'),
)


def examine():
    """Import every package that the project needs.

    Returns
    -------
    list of Finding
        One for each package.

    Example
    -------
    >>> [finding.trouble for finding in examine() if finding.trouble]
    []
    """
    findings = []
    for package, module, cure in CHECKS:
        try:
            version = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            version = "missing"
        trouble = ""
        try:
            with warnings.catch_warnings():
                # pkg_resources warns of its end, which the bound on setuptools answers.
                warnings.simplefilter("ignore")
                importlib.import_module(module)
        # A mismatched build raises anything, from OSError to RuntimeError.
        except Exception as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            trouble = f"{package} {version} does not work here ({reason}); {cure}"
        findings.append(Finding(package, version, trouble))
    return findings


def require_working_environment():
    """Exit with one sentence and status 1 if a package is missing or incompatible.

    Example
    -------
    >>> require_working_environment()
    """
    for finding in examine():
        if finding.trouble:
            sys.exit(finding.trouble)


def main():
    """Print versions, devices and problems.

    Returns
    -------
    int
        0 if everything works, 1 otherwise.

    Example
    -------
    >>> status = main()
    Python ...
    """
    print(f"{'Python':<14}{platform.python_version():<16}")
    findings = examine()
    for finding in findings:
        print(f"{finding.package:<14}{finding.version:<16}{'FAILS' if finding.trouble else 'works'}")
    troubles = [finding.trouble for finding in findings if finding.trouble]
    if not any(finding.trouble for finding in findings if finding.package == "torch"):
        torch = importlib.import_module("torch")
        devices = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
        print(f"{'processor':<14}{os.cpu_count()} cores, {torch.get_num_threads()} used by torch")
        print(f"{'GPU':<14}{', '.join(devices) or 'none; training and detection run on the processor'}")
    print("\n".join(troubles) or "Everything works.")
    return 1 if troubles else 0
