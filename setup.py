"""The package is described in pyproject.toml; this finds its folders."""

from setuptools import find_packages, setup

setup(packages=find_packages(include=["hrin_plugin", "hrin_plugin.*"]))
