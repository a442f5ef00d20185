"""The disk of an emulated board with a kernel, systemd and sshd of its own: a 64-bit Debian Bookworm, made once and cached.

Packages are unpacked, never configured: under emulation that would take twenty minutes. What their installation scripts would have
made is made here.
"""

import gzip
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from .boards import PI4, Machine, bundle_certificates, cached_folder
from .devices import install_site, site_recipe
from .host import EmulationError, debian_mirror, ensure_host_packages, output_of

HOST_PACKAGES = {
    "qemu-system-arm": "qemu-system-aarch64",
    "qemu-utils": "qemu-img",
    "mmdebstrap": "mmdebstrap",
    "e2fsprogs": "mke2fs",
    "cpio": "cpio",
    "openssh-client": "ssh-keygen",
}
PACKAGES = (
    *("systemd", "systemd-sysv", "libnss-systemd", "udev", "dbus", "openssh-server", "iproute2", "procps"),
    *("linux-image-arm64", "kmod", "busybox-static"),
    *("python3", "python3-venv", "ca-certificates", "libseccomp2", "libstdc++6"),
)
WHEELS = ("starlette", "uvicorn", "h11", "python-multipart", "prometheus-client", "segno")
"""What `digits serve` needs beside the wheels of `devices.PACKAGES["litert"]`, in this host's versions."""
VENV = "/opt/digits"
SITE = f"{VENV}/lib/python3.11/site-packages"
USER = "pi"
"""A user beside root; the key opens both."""

_SIZE = "3G"
_MODULES = ("virtio_pci", "virtio_blk", "ext4", "crc32c_generic")
"""What the kernel needs before it has its disk; all others it loads itself."""
_LAYOUT = 1
"""To be raised with any change of what is made here."""

_FILES = {
    "etc/hostname": "raspberrypi\n",
    "etc/hosts": "127.0.0.1 localhost raspberrypi\n",
    "etc/fstab": "/dev/vda / ext4 defaults 0 0\n",
    "etc/machine-id": "0123456789abcdef0123456789abcdef\n",
    "etc/ssh/sshd_config": "UsePAM no\nPasswordAuthentication no\nUseDNS no\nSubsystem sftp /usr/lib/openssh/sftp-server\n",
    "etc/systemd/network/10-qemu.network": "[Match]\nType=ether\n[Network]\nAddress=10.0.2.15/24\nGateway=10.0.2.2\n",
    "etc/sysusers.d/sshd.conf": 'u sshd - "sshd" /run/sshd\n',
    f"{VENV.lstrip('/')}/pyvenv.cfg": "home = /usr/bin\ninclude-system-site-packages = false\nversion = 3.11\n",
    f"{VENV.lstrip('/')}/bin/digits": f"#!{VENV}/bin/python3\nfrom edge_runtime.cli import start\nstart()\n",
}
_ENABLED = ("systemd-networkd.service", "ssh.service")
_MASKED = (
    "getty.target",
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "fstrim.timer",
)

_INIT = """#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t devtmpfs dev /dev
for module in {modules}; do /bin/busybox insmod /modules/$module; done
until [ -b /dev/vda ]; do /bin/busybox sleep 0.1; done
/bin/busybox mount -o rw /dev/vda /root
/bin/busybox umount /proc
exec /bin/busybox switch_root /root /sbin/init
"""


@dataclass(frozen=True)
class Image:
    """A folder with all that a virtual machine starts from."""

    folder: Path

    @property
    def kernel(self) -> Path:
        """Linux, as Debian ships it."""
        return self.folder / "vmlinuz"

    @property
    def initrd(self) -> Path:
        """What finds the disk."""
        return self.folder / "initrd.gz"

    @property
    def disk(self) -> Path:
        """An ext4 file system without a partition table."""
        return self.folder / "disk"

    @property
    def key(self) -> Path:
        """A private key that opens the accounts."""
        return self.folder / "key"

    @property
    def known_hosts(self) -> Path:
        """The machine's host keys, under the name `HOST_ALIAS`."""
        return self.folder / "known_hosts"


HOST_ALIAS = "raspberrypi"


def make_image() -> Image:
    """The image, which is made first if the cache lacks it or what it is made from has changed.

    Raises:
        EmulationError: this machine cannot make it.
    """
    ensure_host_packages(HOST_PACKAGES)
    recipe = {"packages": PACKAGES, "files": _FILES, "init": _INIT, "modules": _MODULES, "wheels": site_recipe("litert", _wheels())}
    return Image(cached_folder("machine-bookworm-arm64", {**recipe, "layout": _LAYOUT}, _build))


def _wheels() -> list[str]:
    return [f"{name}=={version(name)}" for name in WHEELS]


def _build(folder: Path) -> None:
    image = Image(folder)
    with tempfile.TemporaryDirectory(dir=folder.parent) as workshop:
        root = Path(workshop) / "root"
        _unpack(root)
        for name, content in _FILES.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(content, encoding="utf-8")
        _add_users(root)
        _add_keys(root, image)
        _choose_units(root)
        _make_environment(root)
        _add_kernel(root, image)
        output_of(["mke2fs", "-q", "-t", "ext4", "-d", root, image.disk, _SIZE])


def _unpack(root: Path) -> None:
    """Debian's packages, signatures checked by apt, into an empty folder."""
    hook = "--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr"
    names = ["--include=?essential", f"--include={','.join(PACKAGES)}"]  # a pattern must stand alone
    output_of(["mmdebstrap", "--quiet", "--arch=arm64", "--variant=extract", hook, *names, PI4.release, root, debian_mirror()])
    for name in ("mnt", "srv", "home", "run"):
        (root / name).mkdir(exist_ok=True)
    shutil.rmtree(root / "var/run", ignore_errors=True)
    (root / "var/run").symlink_to("/run")
    shutil.copy(root / "usr/share/libc-bin/nsswitch.conf", root / "etc/nsswitch.conf")
    bundle_certificates(root)


def _add_users(root: Path) -> None:
    """Debian's own, those that packages ask for, and `USER`."""
    for name in ("passwd", "group"):
        shutil.copy(root / f"usr/share/base-passwd/{name}.master", root / "etc" / name)
    _append(root / "etc/passwd", f"{USER}:*:1000:1000::/home/{USER}:/bin/bash\n")
    _append(root / "etc/group", f"{USER}:x:1000:\n")
    Machine(PI4, root).run(["systemd-sysusers"])


def _append(path: Path, text: str) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(text)


def _add_keys(root: Path, image: Image) -> None:
    """Keys of the machine, and one that opens it."""
    output_of(["ssh-keygen", "-q", "-A", "-f", root])
    output_of(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "tests", "-f", image.key])
    keys = [path.read_text(encoding="utf-8") for path in (root / "etc/ssh").glob("ssh_host_*_key.pub")]
    image.known_hosts.write_text("".join(f"{HOST_ALIAS} {key}" for key in keys), encoding="utf-8")
    for home, owner in (("root", 0), (f"home/{USER}", 1000)):
        folder = root / home / ".ssh"
        folder.mkdir(parents=True)
        shutil.copy(image.key.with_suffix(".pub"), folder / "authorized_keys")
        for path in (folder.parent, folder, folder / "authorized_keys"):
            shutil.chown(path, owner, owner)
            path.chmod(0o600 if path.is_file() else 0o700)


def _choose_units(root: Path) -> None:
    """What starts with the machine, and what does not."""
    units = root / "etc/systemd/system"
    wanted = units / "multi-user.target.wants"
    wanted.mkdir(parents=True, exist_ok=True)
    for name in _ENABLED:
        (wanted / name).symlink_to(f"/lib/systemd/system/{name}")
    for name in _MASKED:
        (units / name).symlink_to("/dev/null")


def _make_environment(root: Path) -> None:
    """A virtual environment with all that the project needs, and without the project itself, which changes more often."""
    programs = root / VENV.lstrip("/") / "bin"
    for name in ("python", "python3"):
        (programs / name).symlink_to("/usr/bin/python3")
    (programs / "digits").chmod(0o755)
    install_site("litert", root / SITE.lstrip("/"), _wheels())
    library = "/usr/lib/python3.11"  # as Debian's installation does; else each command of a user compiles it anew
    Machine(PI4, root).run(["python3", "-m", "compileall", "-q", library, SITE])


def _add_kernel(root: Path, image: Image) -> None:
    """The kernel, its index of modules, and an initrd with the few that it needs first."""
    (kernel,) = (root / "boot").glob("vmlinuz-*")
    release = kernel.name.removeprefix("vmlinuz-")
    shutil.copy(kernel, image.kernel)
    Machine(PI4, root).run(["depmod", release])
    modules = _with_needed(root / "lib/modules" / release)
    with tempfile.TemporaryDirectory(dir=image.folder.parent) as name:
        tree = Path(name)
        for folder in ("bin", "dev", "modules", "proc", "root"):
            (tree / folder).mkdir()
        shutil.copy(root / "usr/bin/busybox", tree / "bin")
        for module in modules:
            shutil.copy(module, tree / "modules")
        (tree / "init").write_text(_INIT.format(modules=" ".join(module.name for module in modules)), encoding="utf-8")
        (tree / "init").chmod(0o755)
        image.initrd.write_bytes(gzip.compress(_archive(tree)))


def _with_needed(folder: Path) -> list[Path]:
    """Files of `_MODULES` and of the modules that they need, in an order in which they can be loaded."""
    needs = {}
    for line in (folder / "modules.dep").read_text(encoding="utf-8").splitlines():
        name, _, needed = line.partition(":")
        needs[Path(name).name.partition(".")[0]] = [name, *needed.split()]
    files: dict[str, None] = {}
    for module in _MODULES:
        files |= dict.fromkeys(reversed(needs[module]))
    return [folder / name for name in files]


def _archive(tree: Path) -> bytes:
    """The folder as the kernel takes it."""
    names = "".join(f"{path.relative_to(tree)}\n" for path in sorted(tree.rglob("*")))
    done = subprocess.run(["cpio", "--quiet", "-o", "-H", "newc"], input=names.encode(), cwd=tree, capture_output=True, check=False)
    if done.returncode:
        raise EmulationError(f"cpio: {done.stderr.decode()}")
    return done.stdout
