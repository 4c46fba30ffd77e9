"""What kernels are made with: operators for PyTorch, and vectors, machine code, threads and memory on the CPU.

Nothing here knows neurons or synapses. :mod:`.operators` needs PyTorch alone; the others import numba, and are imported
when the first kernel runs.
"""
