"""The Rust extension: conversion, errors and batch calls. Not public; the package wraps every function."""

__version__: str

def cuda_sources() -> dict[str, str]: ...
