#!/usr/bin/env bash
# get-editor.sh FOLDER: VS Code 1.139 as code-server 4.139.1 with the Node that it needs, from the
# npm registry alone, and Chromium to show it in. About a minute and 0.85 GB; once is enough.
set -euo pipefail
code_server=4.139.1 node=24.21.0
folder=$(mkdir -p "$1" && cd "$1" && pwd)
export npm_config_audit=false npm_config_fund=false npm_config_yes=true npm_config_update_notifier=false

die() { echo "get-editor.sh: $*" >&2; exit 1; }

packages=()
for need in npm:npm gcc:gcc g++:g++ make:make python3:python3; do
  command -v "${need%%:*}" >/dev/null || packages+=("${need##*:}")
done
if [ -z "${MIDFILL_CHROMIUM:-}" ] && ! command -v chromium chromium-browser google-chrome >/dev/null; then
  packages+=(chromium fonts-dejavu-core)
fi
if [ ${#packages[@]} -gt 0 ]; then
  [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null \
    || die "missing: ${packages[*]}. Install them (Debian: apt install ${packages[*]})"
  echo "== installing ${packages[*]}"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
fi

echo "== getting code-server $code_server with Node $node (about a minute)"
npm install --silent --prefix "$folder/node24" "node@$node"
own_node=$folder/node24/node_modules/node
export PATH=$own_node/bin:$PATH
npm_config_nodedir=$(dirname "$(find "$folder/node24/node_modules" -path '*/include/node/node.h' | head -1)")
export npm_config_nodedir=${npm_config_nodedir%/include/node}
npm install --silent --ignore-scripts --prefix "$folder/code-server" "code-server@$code_server"
cd "$folder/code-server/node_modules/code-server/lib/vscode"
npm install --silent --omit=dev --ignore-scripts
npm rebuild --silent @vscode/spdlog   # the one native module that it cannot do without
ln -sf code-linux.sh bin/remote-cli/code-server
ln -sf browser-linux.sh bin/helpers/browser.sh
(cd extensions && npm install --silent --omit=dev --ignore-scripts)
version=$("$folder/code-server/node_modules/.bin/code-server" --config "$folder/config.yaml" --version | tail -1)
echo "code-server $version" | tee "$folder/.ready"
