# The server, and with `--target agent` the agent. Both lie in read-only layers that belong to root and run as `node`.
#   docker build -t backhaul-server .
#   docker build -t backhaul-agent --target agent .

FROM node:24-bookworm-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
# No package that is needed here has a script to run at its installation.
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund && npm cache clean --force
# Types and maps are for who writes programs; they were a third of it.
RUN find node_modules -type f \( -name '*.d.ts' -o -name '*.d.mts' -o -name '*.d.cts' -o -name '*.map' \) -delete

FROM node:24-bookworm-slim AS base
ENV NODE_ENV=production
WORKDIR /app
COPY --from=dependencies /app/node_modules node_modules
COPY package.json ./
COPY shared shared
COPY deploy deploy
STOPSIGNAL SIGTERM

# What Node makes of the program, for this user and these flags: the agent starts sooner, in less memory.
FROM base AS compiled-agent
COPY agent agent
RUN chmod -R a+rX package.json shared agent && install -d -o node -g node node_modules/.cache
USER node
RUN node --expose-gc --max-semi-space-size=1 --max-old-space-size=64 --heap-growing-percent=20 --no-opt --no-maglev --no-sparkplug --v8-pool-size=1 --import ./shared/compile-cache.js agent/main.ts --version && chmod -R a+rX node_modules/.cache

FROM base AS agent
COPY agent agent
COPY --from=compiled-agent /app/node_modules/.cache node_modules/.cache
# What is shared is mounted at /files; what must be remembered lies in /state: the site's key above all.
# Others may read the program, whatever the umask was where it was checked out.
RUN chmod -R a+rX package.json shared deploy agent && install -d -m 0700 -o node -g node /state && mkdir /files
ENV FILE=/files/file_to_download.txt ROOTS=/files STATE_DIR=/state CLIENT_PORT=8080
VOLUME /state
USER node
HEALTHCHECK --interval=60s --timeout=5s --start-period=20s --retries=3 CMD ["node", "deploy/health.js", "agent"]
CMD ["node", "--expose-gc", "--max-semi-space-size=1", "--max-old-space-size=64", "--heap-growing-percent=20", "--no-opt", "--no-maglev", "--no-sparkplug", "--v8-pool-size=1", "--import", "./shared/compile-cache.js", "agent/main.ts"]

FROM base AS server
COPY server server
COPY cli cli
RUN chmod -R a+rX package.json shared deploy server cli && install -d -m 0700 -o node -g node data downloads && mkdir /releases
# Platforms set PORT themselves; this is what they take for granted. What sites install is mounted at /releases.
ENV HOST=0.0.0.0 PORT=8080 RELEASES=/releases
EXPOSE 8080
VOLUME /app/data /app/downloads
USER node
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s --retries=3 CMD ["node", "deploy/health.js", "server"]
CMD ["node", "--max-semi-space-size=2", "--heap-growing-percent=20", "server/main.ts"]
