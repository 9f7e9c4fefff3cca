"""What the operators find of CUDA on this machine, line by line."""

from __future__ import annotations

import ctypes
from importlib.util import find_spec

import torch

ONE_LINE = 'extern "C" __global__ void one(int* out) { *out = 1; }'


def describe() -> list[str]:
    """Torch's CUDA, its devices, CuPy, NVRTC, and whether a kernel of one line compiles and, on a device, runs.

    Examples
    --------
    >>> describe()[0].startswith("CUDA of torch: ")
    True
    """
    names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    lines = [f"CUDA of torch: {torch.version.cuda or 'none'}; devices: {', '.join(names) or 'none'}"]
    lines.append(f"NVRTC {_nvrtc()}")
    if not names:
        lines.append(f"test kernel {_compiled_for('sm_80')}, not run: no device")
    if find_spec("cupy") is None:
        extra = "cuda13" if (torch.version.cuda or "").startswith("13") else "cuda12"
        lines.append(f'CuPy not installed; CUDA tensors use plain torch: pip install "recipnet[{extra}]"')
        return lines
    try:
        import cupy

        lines.append(f"CuPy {cupy.__version__}, built for CUDA {cupy.cuda.runtime.runtimeGetVersion()}")
        if names:
            out = torch.zeros(1, dtype=torch.int32, device="cuda")
            cupy.RawModule(code=ONE_LINE, backend="nvrtc").get_function("one")((1,), (1,), (out.data_ptr(),))
            cupy.cuda.runtime.deviceSynchronize()
            lines.append(f"test kernel {'compiled and ran' if out.item() == 1 else 'gave a wrong answer'}")
    except Exception as error:  # an installation that is broken in any way is what this is for
        lines.append(f"CuPy does not work: {type(error).__name__}: {error}")
    return lines


def _compiled_for(architecture: str) -> str:
    """Whether the compiler that torch brings takes a kernel, which needs no device."""
    try:
        from cuda.bindings import nvrtc
    except ImportError:
        return "not compiled (cuda-bindings is not installed)"
    status, program = nvrtc.nvrtcCreateProgram(ONE_LINE.encode(), b"one.cu", 0, [], [])
    if int(status) == 0:
        (status,) = nvrtc.nvrtcCompileProgram(program, 1, [f"--gpu-architecture={architecture}".encode()])
    return f"compiled for {architecture}" if int(status) == 0 else f"not compiled ({status})"


def _nvrtc() -> str:
    """Version of the library that is found, as torch brings it or the system has it."""
    try:
        from cuda.bindings import nvrtc

        status, major, minor = nvrtc.nvrtcVersion()
        return f"{major}.{minor}" if int(status) == 0 else f"refuses with {status}"
    except Exception:
        pass
    for name in ("libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so"):
        try:
            library = ctypes.CDLL(name)
        except OSError:
            continue
        major_number, minor_number = ctypes.c_int(), ctypes.c_int()
        library.nvrtcVersion(ctypes.byref(major_number), ctypes.byref(minor_number))
        return f"{major_number.value}.{minor_number.value}"
    return "not found"
