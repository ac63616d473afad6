// Print the Khronos validator's report on a GLB as JSON: node validate_glb.cjs FILE.glb
// The package is looked for beside the repository's package.json and on NODE_PATH.
const fs = require("node:fs");

const file = process.argv[2];
require("gltf-validator")
  .validateBytes(new Uint8Array(fs.readFileSync(file)), { uri: file, maxIssues: 100 })
  .then((report) => console.log(JSON.stringify(report)));
