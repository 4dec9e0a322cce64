# The base images, by tag. To pin one, or to use a mirror, pass its name: --build-arg RUN_IMAGE=mirror.example/nodejs@sha256:…
# `docker buildx imagetools inspect NAME --format '{{.Manifest.Digest}}'` prints the digest. Renew it whenever you patch.
ARG BUILD_IMAGE=docker.io/library/node:24-trixie-slim
ARG RUN_IMAGE=gcr.io/distroless/nodejs24-debian13:nonroot

# JavaScript is the same for every processor: it is built once, where the build runs.
FROM --platform=${BUILDPLATFORM} ${BUILD_IMAGE} AS build
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
# No package has a say in the build beyond its code.
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json ./
COPY scripts scripts
COPY src src
COPY docs docs
RUN npm run build && rm dist/*.map && node scripts/notices.mjs dist/THIRD-PARTY-NOTICES.txt && mkdir -m 700 state

FROM build AS simulator-build
COPY simulator simulator
RUN node_modules/.bin/esbuild simulator/main.ts --bundle --platform=node --format=esm --target=node24 \
      --banner:js="import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" \
      --outfile=simulator/dist/main.js && echo '{"type":"module"}' >simulator/dist/package.json

# docker build --target simulator: a simulated iSales for trials, never a part of the product.
FROM ${RUN_IMAGE} AS simulator
ARG VERSION=0.1.0
ARG SOURCE=https://github.com/isales-auth-proxy/isales-auth-proxy
LABEL org.opencontainers.image.title="isales-simulator" \
      org.opencontainers.image.description="A simulated CC-iSales, for trials and tests" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.version="${VERSION}"
WORKDIR /app
COPY LICENSE ./
COPY --from=simulator-build /build/simulator/dist ./
USER 65532:65532
EXPOSE 9400 9401
STOPSIGNAL SIGTERM
ENTRYPOINT ["/nodejs/bin/node", "/app/main.js"]
CMD ["--host", "0.0.0.0"]

# No shell, no package manager, no node_modules: the program is one bundle and its chunks. The last stage is the default.
FROM ${RUN_IMAGE} AS proxy
ARG VERSION=0.1.0
ARG REVISION=unknown
ARG CREATED=unknown
ARG SOURCE=https://github.com/isales-auth-proxy/isales-auth-proxy
ARG RUN_IMAGE
LABEL org.opencontainers.image.title="isales-auth-proxy" \
      org.opencontainers.image.description="Logs in to CC-iSales for CTI-OBS, keeps the token fresh and puts it on every forwarded request" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.documentation="${SOURCE}/blob/main/README.md" \
      org.opencontainers.image.base.name="${RUN_IMAGE}" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"
WORKDIR /app
COPY LICENSE ./
COPY --from=build /build/dist ./
# A new volume takes its owner from here: docker run --volume isales-state:/var/lib/isales-auth-proxy.
COPY --from=build --chown=65532:65532 /build/state /var/lib/isales-auth-proxy
# Left to itself, the C library never returns freed buffers: after 1,000 requests of 64 KiB at the same time the process stayed at
# 115 MiB, and so at 70. It costs no time that could be measured. No option of Node is set: docs/dev/decisions.md.
ENV NODE_ENV=production \
    MALLOC_MMAP_THRESHOLD_=32768 \
    MALLOC_TRIM_THRESHOLD_=65536
USER 65532:65532
EXPOSE 8080 9090
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
  CMD ["/nodejs/bin/node", "/app/main.js", "status"]
ENTRYPOINT ["/nodejs/bin/node", "/app/main.js"]
