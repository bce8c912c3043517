"""The images that the project builds on, made here because there is no registry of images to have them from."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import yaml

from include.local_stack import kafka
from include.surveillance.errors import SurveillanceError
from tests.rehearsal.engine import Engine
from tests.rehearsal.roots import Root, registry_environment

STAND_INS = Path(__file__).with_name("standins")
BUILD_SECONDS = 900.0
# Debian 12's Python is one that the platform is tested with; its interpreter is not Astro Runtime's.
RUNTIME, SERVICES = "runtime", "services"
BASES = {
    RUNTIME: Root("bookworm", ("ca-certificates", "python3", "python3-pip", "tini"), uv="0.13.9"),
    SERVICES: Root("trixie", ("postgresql-17", "redis-server", "openjdk-21-jre-headless")),
}


@dataclass(frozen=True)
class Names:
    """The images that the project asks for, by the folder of their stand-in."""

    runtime: str
    postgres: str
    redis: str
    kafka: str

    @classmethod
    def read(cls, project: Path) -> Names:
        """Read them from the project's Dockerfile and docker-compose.yml.

        Raises:
            SurveillanceError: the project asks for an image that has no stand-in.
        """
        (base,) = re.findall(r"^FROM (\S+)$", (project / "Dockerfile").read_text(), re.MULTILINE)
        services = yaml.safe_load((project / "docker-compose.yml").read_text())["services"]
        built = {service["image"] for service in services.values() if "build" in service}
        # What is behind a profile (console, monitoring) cannot be had from the registries of packages, and is left out.
        pulled = {service["image"] for service in services.values() if "profiles" not in service} - built
        found = {image.split(":")[0].split("/")[-1]: image for image in pulled}
        if set(found) != {"postgres", "redis", "kafka"}:
            raise SurveillanceError(f"docker-compose.yml asks for {sorted(pulled)}; give each a folder in {STAND_INS}")
        return cls(base, **found)


def make_bases(folder: Path) -> None:
    """Write what the stand-ins are built on into a folder, unless it is there: archives of Debian, and Kafka's jars.

    Raises:
        SurveillanceError: an archive could not be made, or a jar could not be fetched.
    """
    for name, base in BASES.items():
        if not (archive := folder / f"{name}.tar").exists():
            base.make(part := folder / f"{name}.part.tar")
            part.rename(archive)
    kafka.ensure_jars(folder / "libs")


def build_stand_ins(engine: Engine, bases: Path, project: Path) -> None:
    """Build all of them in the engine, under the names that the project asks for.

    Raises:
        SurveillanceError: one cannot be built.
    """
    names, inside = Names.read(project), Path("/root/standins")
    context = engine.root / inside.relative_to("/")
    shutil.copytree(STAND_INS, context)
    shutil.copytree(bases / "libs", context / "kafka" / "libs")
    shutil.copy(kafka.HERE / "log4j2.xml", context / "kafka")
    for name in BASES:
        shutil.copy(bases / f"{name}.tar", context)
        changes = [f"--change=ENV {key}={value}" for key, value in registry_environment().items()]
        engine.run(
            "docker",
            "import",
            *(changes if name == RUNTIME else ()),
            f"{inside}/{name}.tar",
            f"standin:{name}",
            timeout=BUILD_SECONDS,
        )
    for folder, image in vars(names).items():
        engine.run("docker", "build", "--quiet", "--tag", image, str(inside / folder), timeout=BUILD_SECONDS)
    shutil.rmtree(context)


def engine_root(store: str) -> Root:
    """The oldest Docker that the project promises to work with, on its old image store, and today's on today's."""
    suite = {"overlay2": "trixie", "containerd": "forky"}[store]
    return Root(
        suite, ("docker.io", "docker-cli", "docker-compose", "docker-buildx", "iptables", "make", "mount", "python3")
    )
