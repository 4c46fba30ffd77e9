"""SiLIF and C-SiLIF: state-space-inspired spiking neurons for snnTorch, Norse and SpArch."""

__version__ = "0.1.0"
