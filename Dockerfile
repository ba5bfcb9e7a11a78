# pie_bench with its default environment inside: runs offline, as a user without rights, in an ordinary container.
#   docker build --tag pie-bench .
#   docker run --rm --volume pie-bench:/home/pie pie-bench run --task pie_instruct --model reference --limit 2
# docs/docker.md says more.
ARG BASE=python:3.12-slim-bookworm

FROM ${BASE} AS wheel
WORKDIR /src
COPY setup.cfg setup.py pyproject.toml MANIFEST.in README.md LICENSE ./
COPY pie_bench pie_bench
COPY tasks tasks
COPY recipes recipes
RUN python3 -m venv /opt/pie_bench \
    && /opt/pie_bench/bin/pip install --no-cache-dir --disable-pip-version-check .

FROM ${BASE}
RUN apt-get update -q \
    && apt-get install -q -y --no-install-recommends libgomp1 libseccomp2 \
    && rm -rf /var/lib/apt/lists/*
COPY --from=wheel /opt/pie_bench /opt/pie_bench
ENV PATH=/opt/pie_bench/bin:$PATH PIE_BENCH_ROOTS=/opt/pie_bench/roots PYTHONUNBUFFERED=1
# Debian's packages, checked against the sums that the environment pins.
# doctor ends with an error unless the environment really runs, and leaves its plugin beside the roots.
RUN pie-bench environment build && pie-bench doctor && rm -rf /root/.cache \
    && useradd --create-home --uid 1000 pie
USER pie
WORKDIR /home/pie
VOLUME /home/pie
ENTRYPOINT ["pie-bench"]
CMD ["--help"]
