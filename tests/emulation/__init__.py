"""Raspberry Pi stand-ins: ARM Linux roots under QEMU's user emulation. They prove function, never speed."""
