"""The Docker way, rehearsed: ``python -m tests.rehearsal`` (``make rehearse``).

The project's own Dockerfile and docker-compose.yml, unchanged, on a real Docker Engine, as somebody who follows
docs/start/docker.md would run them: build, start, bootstrap, backfill, alerts, live minutes, stop, start again.

Nothing of this machine is touched. An engine of Debian's own packages runs in a folder, as the first process of its
own namespaces (``engine``, ``enter.sh``): what it starts, binds and mounts goes away with it. A user-mode network leads
its builds to the package registries. There is no registry of images, so those that the project builds on are made here
(``roots``, ``standins/``) of Debian's packages, Maven's jars and PyPI's uv, with start scripts of our own. They carry
the names that the project asks for; the page that is written says how they differ (``report``).

It needs Debian, root and a network to the registries of Debian, PyPI and Maven.
"""
