// A small viewer for one GLB avatar: skinned, morphed, textured, drawn by WebGL 2; no library and no network.
"use strict";

const COMPONENT = { 5120: Int8Array, 5121: Uint8Array, 5122: Int16Array, 5123: Uint16Array, 5125: Uint32Array, 5126: Float32Array };
const WIDTH = { SCALAR: 1, VEC2: 2, VEC3: 3, VEC4: 4, MAT4: 16 };

// ---------------------------------------------------------------------------------------------- reading the GLB

function readGlb(bytes) {
  const words = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (words.getUint32(0, true) !== 0x46546c67) throw new Error("This is not a GLB file.");
  const jsonLength = words.getUint32(12, true);
  const json = JSON.parse(new TextDecoder().decode(bytes.subarray(20, 20 + jsonLength)));
  const binary = bytes.slice(28 + jsonLength); // a copy of its own starts at 0, so typed arrays are aligned
  const view = (index, type, count) => {
    const { byteOffset = 0, byteLength } = json.bufferViews[index];
    return new type(binary.buffer, byteOffset, count ?? byteLength / type.BYTES_PER_ELEMENT);
  };
  const accessor = (index) => {
    const { bufferView, count, componentType, type, sparse } = json.accessors[index];
    const length = count * WIDTH[type];
    if (!sparse) return { array: view(bufferView, COMPONENT[componentType], length) };
    return {
      rows: view(sparse.indices.bufferView, COMPONENT[sparse.indices.componentType], sparse.count),
      values: view(sparse.values.bufferView, Float32Array, sparse.count * WIDTH[type]),
    };
  };
  const image = (index) => {
    const { bufferView, mimeType } = json.images[index];
    return new Blob([view(bufferView, Uint8Array)], { type: mimeType });
  };
  return { json, accessor, image };
}

// ------------------------------------------------------------------------- matrices, column by column as in WebGL

function multiply(a, b) {
  const out = new Float32Array(16);
  for (let c = 0; c < 4; c++) for (let r = 0; r < 4; r++) {
    let sum = 0;
    for (let k = 0; k < 4; k++) sum += a[k * 4 + r] * b[c * 4 + k];
    out[c * 4 + r] = sum;
  }
  return out;
}

function placed([x, y, z, w], [tx, ty, tz]) {
  return new Float32Array([
    1 - 2 * (y * y + z * z), 2 * (x * y + z * w), 2 * (x * z - y * w), 0,
    2 * (x * y - z * w), 1 - 2 * (x * x + z * z), 2 * (y * z + x * w), 0,
    2 * (x * z + y * w), 2 * (y * z - x * w), 1 - 2 * (x * x + y * y), 0,
    tx, ty, tz, 1,
  ]);
}

function perspective(height, aspect, near, far) {
  const f = 1 / Math.tan(height / 2);
  return new Float32Array([f / aspect, 0, 0, 0, 0, f, 0, 0, 0, 0, (far + near) / (near - far), -1, 0, 0, (2 * far * near) / (near - far), 0]);
}

function mixQuaternions(a, b, t) {
  const sign = a[0] * b[0] + a[1] * b[1] + a[2] * b[2] + a[3] * b[3] < 0 ? -1 : 1;
  const q = a.map((value, i) => value * (1 - t) + sign * b[i] * t);
  const length = Math.hypot(...q);
  return q.map((value) => value / length);
}

// ------------------------------------------------------------------------------------------------------ shaders

const VERTEX = `#version 300 es
uniform mat4 joints[JOINTS]; uniform mat4 view, projection;
layout(location=0) in vec3 place; layout(location=1) in vec3 normal; layout(location=2) in vec2 uv;
layout(location=3) in uvec4 joint; layout(location=4) in vec4 weight;
out vec3 vPlace, vNormal; out vec2 vUv;
void main() {
  mat4 skin = joints[joint.x]*weight.x + joints[joint.y]*weight.y + joints[joint.z]*weight.z + joints[joint.w]*weight.w;
  mat4 both = view * skin;
  vPlace = (both * vec4(place, 1.0)).xyz; vNormal = mat3(both) * normal; vUv = uv;
  gl_Position = projection * vec4(vPlace, 1.0);
}`;

const FRAGMENT = `#version 300 es
precision highp float;
uniform sampler2D colour; uniform float roughness, cutoff; uniform int look;
in vec3 vPlace, vNormal; in vec2 vUv; out vec4 pixel;
void main() {
  vec4 base = texture(colour, vUv);
  if (base.a < cutoff) discard;
  vec3 n = normalize(vNormal); if (!gl_FrontFacing) n = -n;
  vec3 toEye = normalize(-vPlace), key = normalize(vec3(-0.45, 0.6, 0.75)), fill = normalize(vec3(0.8, 0.1, 0.45));
  vec3 albedo = look == 2 ? vec3(0.62) : base.rgb;
  vec3 light = mix(vec3(0.46, 0.44, 0.43), vec3(0.64, 0.65, 0.68), n.y * 0.5 + 0.5);
  light += vec3(0.46, 0.45, 0.42) * max(dot(n, key), 0.0) + vec3(0.10, 0.11, 0.13) * max(dot(n, fill), 0.0);
  float gloss = 1.0 - (look == 2 ? 0.75 : roughness), power = exp2(2.0 + 8.0 * gloss);
  float shine = pow(max(dot(n, normalize(key + toEye)), 0.0), power) * gloss * gloss * 0.4;
  float rim = pow(1.0 - max(dot(n, toEye), 0.0), 4.0) * 0.10;
  vec3 lit = look == 1 ? base.rgb : albedo * light + shine + rim;
  float alpha = cutoff > 0.0 && cutoff < 0.1 ? base.a : 1.0;
  pixel = vec4(pow(clamp(lit, 0.0, 1.0), vec3(1.0 / 2.2)) * alpha, alpha);
}`;

function buildProgram(gl, joints) {
  const program = gl.createProgram();
  for (const [kind, text] of [[gl.VERTEX_SHADER, VERTEX.replace("JOINTS", joints)], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, text);
    gl.compileShader(shader);
    if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS)) throw new Error(gl.getShaderInfoLog(shader));
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(program));
  const at = (name) => gl.getUniformLocation(program, name);
  return { program, joints: at("joints"), view: at("view"), projection: at("projection"), roughness: at("roughness"), cutoff: at("cutoff"), look: at("look") };
}

// ------------------------------------------------------------------------------------------- one mesh on the card

class Mesh {
  constructor(gl, glb, primitive, material, texture) {
    this.gl = gl;
    const read = (name) => glb.accessor(primitive.attributes[name]).array;
    this.rest = read("POSITION");
    this.restNormals = read("NORMAL");
    this.morphed = this.rest.slice();
    this.normals = this.restNormals.slice();
    this.targets = (primitive.targets || []).map((target) => glb.accessor(target.POSITION));
    this.material = material;
    this.texture = texture;
    this.array = gl.createVertexArray();
    gl.bindVertexArray(this.array);
    this.positions = this.attribute(0, this.rest, 3, gl.FLOAT, gl.DYNAMIC_DRAW);
    this.normalBuffer = this.attribute(1, this.restNormals, 3, gl.FLOAT, gl.DYNAMIC_DRAW);
    this.attribute(2, read("TEXCOORD_0"), 2, gl.FLOAT);
    this.attribute(3, read("JOINTS_0"), 4, gl.UNSIGNED_BYTE);
    this.attribute(4, read("WEIGHTS_0"), 4, gl.UNSIGNED_SHORT);
    const indices = this.indices = glb.accessor(primitive.indices).array;
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, gl.createBuffer());
    gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, indices, gl.STATIC_DRAW);
    this.count = indices.length;
    this.indexType = indices instanceof Uint32Array ? gl.UNSIGNED_INT : gl.UNSIGNED_SHORT;
    const first = new Map(); // vertices split at a seam of the texture share one normal
    this.welded = Uint32Array.from({ length: this.rest.length / 3 }, (_, i) => {
      const key = this.rest.subarray(3 * i, 3 * i + 3).join();
      if (!first.has(key)) first.set(key, i);
      return first.get(key);
    });
    this.restFacing = this.facing(this.rest);
  }

  // Normals of the surface through `places`, as the mean of the faces about each vertex.
  facing(places) {
    const sum = new Float32Array(places.length), { indices, welded } = this;
    for (let f = 0; f < indices.length; f += 3) {
      const a = 3 * indices[f], b = 3 * indices[f + 1], c = 3 * indices[f + 2];
      const ux = places[b] - places[a], uy = places[b + 1] - places[a + 1], uz = places[b + 2] - places[a + 2];
      const vx = places[c] - places[a], vy = places[c + 1] - places[a + 1], vz = places[c + 2] - places[a + 2];
      const x = uy * vz - uz * vy, y = uz * vx - ux * vz, z = ux * vy - uy * vx;
      for (let k = f; k < f + 3; k++) {
        const at = 3 * welded[indices[k]];
        sum[at] += x; sum[at + 1] += y; sum[at + 2] += z;
      }
    }
    for (let i = 0; i < sum.length; i += 3) {
      const length = Math.hypot(sum[i], sum[i + 1], sum[i + 2]) || 1;
      sum[i] /= length; sum[i + 1] /= length; sum[i + 2] /= length;
    }
    return sum;
  }

  attribute(location, array, width, type, use = this.gl.STATIC_DRAW) {
    const gl = this.gl, buffer = gl.createBuffer();
    gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
    gl.bufferData(gl.ARRAY_BUFFER, array, use);
    gl.enableVertexAttribArray(location);
    if (type === gl.UNSIGNED_BYTE) gl.vertexAttribIPointer(location, width, type, 0, 0);
    else gl.vertexAttribPointer(location, width, type, type === gl.UNSIGNED_SHORT, 0, 0);
    return buffer;
  }

  morph(weights) {
    const out = this.morphed;
    out.set(this.rest);
    this.targets.forEach(({ array, rows, values }, index) => {
      const w = weights[index];
      if (!w) return;
      if (array) for (let i = 0; i < array.length; i++) out[i] += w * array[i];
      else for (let i = 0, k = 0; i < rows.length; i++) {
        const at = rows[i] * 3;
        out[at] += w * values[k++]; out[at + 1] += w * values[k++]; out[at + 2] += w * values[k++];
      }
    });
    // the file holds no morphed normals: those at rest turn by as much as the surface does
    const now = this.facing(out), { normals, restNormals, restFacing, welded } = this;
    for (let i = 0; i < normals.length; i++) {
      const at = 3 * welded[(i / 3) | 0] + (i % 3);
      normals[i] = restNormals[i] + now[at] - restFacing[at];
    }
    const gl = this.gl;
    for (const [buffer, values] of [[this.positions, out], [this.normalBuffer, normals]]) {
      gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
      gl.bufferSubData(gl.ARRAY_BUFFER, 0, values);
    }
  }

  draw(program, look) {
    const gl = this.gl, { alphaMode = "OPAQUE", alphaCutoff = 0.5, doubleSided, pbrMetallicRoughness } = this.material;
    (doubleSided ? gl.disable : gl.enable).call(gl, gl.CULL_FACE);
    (alphaMode === "BLEND" ? gl.enable : gl.disable).call(gl, gl.BLEND);
    gl.uniform1f(program.cutoff, { OPAQUE: -1, BLEND: 0.02, MASK: alphaCutoff }[alphaMode]);
    gl.uniform1f(program.roughness, pbrMetallicRoughness.roughnessFactor ?? 1);
    gl.uniform1i(program.look, look);
    gl.bindTexture(gl.TEXTURE_2D, this.texture);
    gl.bindVertexArray(this.array);
    gl.drawElements(gl.TRIANGLES, this.count, this.indexType, 0);
  }
}

// ------------------------------------------------------------------------------------- the avatar and its camera

class Avatar {
  constructor(canvas, bytes) {
    this.canvas = canvas;
    const gl = canvas.getContext("webgl2", { antialias: true, alpha: true });
    if (!gl) throw new Error("no-webgl");
    this.gl = gl;
    this.glb = readGlb(bytes);
    const { json, accessor } = this.glb;
    this.names = json.meshes[0].extras.targetNames;
    this.weights = new Float32Array(this.names.length);
    this.nodes = json.nodes;
    this.skin = json.skins[0];
    this.inverseBind = accessor(this.skin.inverseBindMatrices).array;
    this.rotations = new Map(); // node index -> quaternion
    this.yaw = 0; this.pitch = 0.04; this.zoom = 1; this.look = 0;
    this.clip = json.animations?.[0] && this.readClip(json.animations[0]);
  }

  async load() {
    const { gl, glb } = this, { json } = glb;
    this.program = buildProgram(gl, this.skin.joints.length);
    const textures = await Promise.all((json.textures || []).map(({ source }) => this.upload(glb.image(source))));
    this.meshes = json.nodes.filter((node) => "mesh" in node).map(({ mesh }) => {
      const primitive = json.meshes[mesh].primitives[0], material = json.materials[primitive.material];
      return new Mesh(gl, glb, primitive, material, textures[material.pbrMetallicRoughness.baseColorTexture.index]);
    });
    this.meshes.sort((a, b) => (a.material.alphaMode === "BLEND") - (b.material.alphaMode === "BLEND"));
    const low = [Infinity, Infinity, Infinity], high = [-Infinity, -Infinity, -Infinity];
    for (const { rest } of this.meshes) for (let i = 0; i < rest.length; i++) {
      low[i % 3] = Math.min(low[i % 3], rest[i]);
      high[i % 3] = Math.max(high[i % 3], rest[i]);
    }
    this.centre = low.map((value, i) => (value + high[i]) / 2);
    const eyes = this.skin.joints.map((joint, i) => [this.nodes[joint].name, i]).filter(([name]) => name.endsWith("_eye"));
    this.face = this.centre.map((value, axis) => eyes.reduce((sum, [, i]) => sum - this.inverseBind[16 * i + 12 + axis] / eyes.length, eyes.length ? 0 : value));
    this.radius = Math.hypot(...low.map((value, i) => high[i] - value)) / 2;
    this.vertices = this.meshes.reduce((sum, mesh) => sum + mesh.rest.length / 3, 0);
    this.triangles = this.meshes.reduce((sum, mesh) => sum + mesh.count / 3, 0);
    this.stale = true;
  }

  async upload(blob) {
    const gl = this.gl, bitmap = await createImageBitmap(blob, { premultiplyAlpha: "none", colorSpaceConversion: "none" });
    const texture = gl.createTexture();
    gl.bindTexture(gl.TEXTURE_2D, texture);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.SRGB8_ALPHA8, gl.RGBA, gl.UNSIGNED_BYTE, bitmap);
    gl.generateMipmap(gl.TEXTURE_2D);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.LINEAR_MIPMAP_LINEAR);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE);
    const fine = gl.getExtension("EXT_texture_filter_anisotropic");
    if (fine) gl.texParameterf(gl.TEXTURE_2D, fine.TEXTURE_MAX_ANISOTROPY_EXT, 8);
    return texture;
  }

  readClip({ channels, samplers }) {
    const tracks = new Map();
    for (const { sampler, target } of channels) {
      const { input, output } = samplers[sampler];
      const key = target.path === "weights" ? "weights" : target.node; // all meshes share one track of weights
      tracks.set(key, { times: this.glb.accessor(input).array, values: this.glb.accessor(output).array });
    }
    return { tracks, seconds: Math.max(...[...tracks.values()].map(({ times }) => times[times.length - 1])) };
  }

  poseAt(time) {
    for (const [key, { times, values }] of this.clip.tracks) {
      let next = times.findIndex((value) => value > time);
      if (next < 1) next = next < 0 ? times.length - 1 : 1;
      const share = Math.min((time - times[next - 1]) / (times[next] - times[next - 1]), 1);
      const width = values.length / times.length;
      const [a, b] = [next - 1, next].map((i) => [...values.subarray(i * width, (i + 1) * width)]);
      if (key === "weights") this.weights.set(a.map((value, i) => value + share * (b[i] - value)));
      else this.rotations.set(key, mixQuaternions(a, b, share));
    }
    this.stale = true;
  }

  jointMatrices() {
    const world = new Map();
    const visit = (index, parent) => {
      const { translation = [0, 0, 0], children = [] } = this.nodes[index];
      const local = placed(this.rotations.get(index) || [0, 0, 0, 1], translation);
      world.set(index, parent ? multiply(parent, local) : local);
      children.forEach((child) => visit(child, world.get(index)));
    };
    visit(this.skin.skeleton, null);
    const out = new Float32Array(16 * this.skin.joints.length);
    this.skin.joints.forEach((joint, i) => out.set(multiply(world.get(joint), this.inverseBind.subarray(i * 16, i * 16 + 16)), i * 16));
    return out;
  }

  draw() {
    const { gl, canvas, program } = this;
    if (this.stale) this.meshes.forEach((mesh) => mesh.morph(this.weights));
    this.stale = false;
    const aspect = canvas.width / canvas.height, angle = 0.42;
    const distance = (this.radius / Math.sin(angle / 2) / Math.min(1, aspect)) * 0.86 / this.zoom;
    const halfYaw = -this.yaw / 2, halfPitch = this.pitch / 2;
    const turn = placed([0, Math.sin(halfYaw), 0, Math.cos(halfYaw)], [0, 0, 0]);
    const tilt = placed([Math.sin(halfPitch), 0, 0, Math.cos(halfPitch)], [0, 0, -distance]);
    const near = Math.max(0, 1 - 1 / this.zoom); // who comes closer comes closer to the face
    const centred = placed([0, 0, 0, 1], this.centre.map((value, i) => -value - near * (this.face[i] - value)));
    gl.viewport(0, 0, canvas.width, canvas.height);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    gl.enable(gl.DEPTH_TEST);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA); // colours leave the shader multiplied by their alpha
    gl.useProgram(program.program);
    gl.uniformMatrix4fv(program.joints, false, this.jointMatrices());
    gl.uniformMatrix4fv(program.view, false, multiply(multiply(tilt, turn), centred));
    gl.uniformMatrix4fv(program.projection, false, perspective(angle, aspect, distance / 20, distance + 4 * this.radius));
    for (const mesh of this.meshes) mesh.draw(program, this.look);
  }
}
