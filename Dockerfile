# hrin on a CPU, without torch: recordings, streams (detect --live) and folders (watch).
#
#   docker build -t hrin .
#   docker run --rm -v "$PWD/archive:/archive:ro" -v "$PWD/results:/results" hrin detect /archive --output /results
#   docker run -d --restart unless-stopped -v "$PWD/results:/results" hrin \
#       detect --live https://radio.example/oe1.mp3 --latency 10 --level both --format json --output /results
FROM python:3.12-slim

RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates ffmpeg \
    && rm -rf /var/lib/apt/lists/*

# The packages first, so that a change of the code does not fetch them again.
COPY requirements-detect.txt /build/
RUN pip install --no-cache-dir -r /build/requirements-detect.txt

COPY . /build/hrin
RUN pip install --no-cache-dir --no-deps /build/hrin \
    && rm -rf /build \
    && useradd --create-home --uid 1000 hrin \
    && mkdir /results && chown hrin:hrin /results

USER hrin
WORKDIR /results
VOLUME /results
# Events and messages at once, and one thread: a stream takes a twentieth of a core.
ENV PYTHONUNBUFFERED=1 OMP_NUM_THREADS=1
# A stream is closed cleanly by SIGTERM, which `docker stop` sends; give it `--time 30`.
STOPSIGNAL SIGTERM
ENTRYPOINT ["hrin"]
CMD ["--help"]
