#!/usr/bin/env bash
# npm pg-sdk-node 2.0.2 (PhonePe) cannot read any answer after a fresh install. It asks for class-transformer ^0.4.0 and
# calls its function plainToClass. 0.4.1, which npm takes for that range, has no function of this name; 0.4.0 has.
# An override to 0.4.0 makes the SDK work.
# Ends with 0 while that is so, with 1 when it changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

seen() {
    npm install --silent --no-fund --no-audit --ignore-scripts >/dev/null 2>&1
    node -e '
        const at = require.resolve("class-transformer", { paths: [require.resolve("pg-sdk-node")] });
        const { version } = require(at.slice(0, at.lastIndexOf("class-transformer") + 17) + "/package.json");
        console.log(version, typeof require(at).plainToClass);'
}

echo '{"dependencies": {"pg-sdk-node": "2.0.2"}}' >package.json
fresh=$(seen)
rm -rf node_modules package-lock.json
echo '{"dependencies": {"pg-sdk-node": "2.0.2"}, "overrides": {"class-transformer": "0.4.0"}}' >package.json
pinned=$(seen)
echo "class-transformer and the type of its plainToClass, fresh: $fresh; with an override: $pinned"
[ "$fresh" = "0.4.1 undefined" ] && [ "$pinned" = "0.4.0 function" ] || { echo "this has changed" && exit 1; }
