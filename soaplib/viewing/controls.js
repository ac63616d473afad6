// What a person does with the viewer: turn, zoom, presets, sliders, the clip, and how the surface looks.
"use strict";

function startViewer(root) {
  const find = (name) => root.querySelector(`.viewer-${name}`);
  const canvas = root.querySelector("canvas");
  const options = JSON.parse(find("options").textContent);
  const roomy = matchMedia("(min-width: 52rem)").matches;
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  let avatar, turning = !calm, playing = false, clipTime = 0, glide = null, last = 0, visible = true, waiting = false;
  const sliders = new Map();

  const say = (state, text) => {
    root.dataset.state = state;
    find("message").textContent = text;
  };

  // ---- frames are drawn only when something changes and the canvas can be seen
  const ask = () => {
    if (waiting || !visible || !avatar?.meshes) return;
    waiting = true;
    requestAnimationFrame(frame);
  };

  function frame(now) {
    waiting = false;
    const passed = Math.min(Math.max((now - last) / 1000, 0), 0.1); // a frame's time may lie before the click's
    last = now;
    if (turning) avatar.yaw += passed * 0.45;
    if (playing) {
      clipTime = (clipTime + passed) % avatar.clip.seconds;
      avatar.poseAt(clipTime);
      showWeights();
    } else if (glide) {
      glide.share = Math.min(glide.share + passed / 0.35, 1);
      const s = glide.share * glide.share * (3 - 2 * glide.share);
      avatar.weights.forEach((_, i) => { avatar.weights[i] = glide.from[i] + s * (glide.to[i] - glide.from[i]); });
      for (const [node, [from, to]] of glide.turns) avatar.rotations.set(node, mixQuaternions(from, to, s));
      if (glide.view) avatar.yaw = glide.yaw + s * glide.view[0], avatar.pitch = glide.pitch + s * glide.view[1];
      if (glide.share === 1) glide = null;
      avatar.stale = true;
      showWeights();
    }
    avatar.draw();
    if (root.dataset.state !== "drawn") say("drawn", "");
    if (turning || playing || glide) ask();
  }

  // ---- expressions
  function showWeights() {
    for (const [index, { input, output }] of sliders) {
      const value = avatar.weights[index];
      if (Math.abs(input.valueAsNumber - value) > 0.004) {
        input.value = value;
        output.textContent = Math.round(value * 100);
      }
    }
  }

  function goTo({ weights = {}, joints = {}, view }) {
    setPlaying(false);
    setTurning(false);
    if (!view && Math.cos(avatar.yaw) < 0.3) view = [0, 0.04]; // a face that looks away cannot show much
    const still = [0, 0, 0, 1];
    const turns = avatar.skin.joints.map((node) => [node, [avatar.rotations.get(node) || still, joints[avatar.nodes[node].name] || still]]);
    const nearest = view && Math.atan2(Math.sin(view[0] - avatar.yaw), Math.cos(view[0] - avatar.yaw));
    glide = {
      share: calm ? 1 : 0, turns, from: avatar.weights.slice(), to: avatar.names.map((name) => weights[name] || 0),
      yaw: avatar.yaw, pitch: avatar.pitch, view: view && [nearest, view[1] - avatar.pitch],
    };
    last = performance.now();
    ask();
  }

  function buildSliders() {
    const panel = find("sliders");
    const twin = (name) => name.endsWith("Left") ? name.replace(/Left$/, "Right") : name.replace(/Right$/, "Left");
    for (const [area, names] of Object.entries(options.areas)) {
      const group = document.createElement("details");
      group.innerHTML = "<summary></summary>";
      group.firstChild.textContent = area;
      group.open = roomy && (area === "Brows" || area === "Eyes");
      for (const name of names.filter((name) => avatar.names.includes(name))) {
        const row = document.createElement("label");
        row.innerHTML = '<span></span><input type="range" min="0" max="1" step="0.01" value="0"><output>0</output>';
        const [label, input, output] = row.children;
        label.textContent = name;
        input.addEventListener("input", () => {
          setPlaying(false);
          glide = null;
          const linked = find("linked").checked ? [name, twin(name)] : [name];
          for (const each of linked) if (avatar.names.includes(each)) avatar.weights[avatar.names.indexOf(each)] = input.valueAsNumber;
          output.textContent = Math.round(input.valueAsNumber * 100);
          avatar.stale = true;
          showWeights();
          ask();
        });
        sliders.set(avatar.names.indexOf(name), { input, output });
        group.append(row);
      }
      if (group.children.length > 1) panel.append(group);
    }
  }

  function buildPresets() {
    for (const [name, preset] of Object.entries(options.presets)) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = name;
      button.addEventListener("click", () => goTo(preset));
      find("presets").append(button);
    }
  }

  // ---- switches
  const press = (button, on) => button.setAttribute("aria-pressed", on);
  function setTurning(on) {
    turning = on;
    press(find("turn"), on);
    last = performance.now();
    ask();
  }
  function setPlaying(on) {
    if (on === playing) return;
    playing = on;
    glide = null;
    press(find("play"), on);
    find("play").textContent = on ? "Pause" : "Play clip";
    if (!on) avatar.rotations.clear();
    if (on) {
      setTurning(false);
      if (Math.cos(avatar.yaw) < 0.5) avatar.yaw = 0; // who plays the clip wants to see the face
    }
    avatar.stale = true;
    last = performance.now();
    ask();
  }
  function buildSwitches() {
    press(find("turn"), turning);
    find("turn").addEventListener("click", () => setTurning(!turning));
    find("play").hidden = !avatar.clip;
    find("play").addEventListener("click", () => setPlaying(!playing));
    find("front").addEventListener("click", () => { setTurning(false); Object.assign(avatar, { yaw: 0, pitch: 0.04, zoom: 1 }); ask(); });
    for (const input of root.querySelectorAll(".viewer-look input")) input.addEventListener("change", () => { avatar.look = Number(input.value); ask(); });
    find("size").textContent = `${avatar.vertices.toLocaleString("en")} vertices · ${avatar.triangles.toLocaleString("en")} triangles · ${avatar.names.length} shapes`;
  }

  // ---- turning and zooming by mouse, touch and keys
  const zoomBy = (factor) => { avatar.zoom = Math.min(Math.max(avatar.zoom * factor, 0.5), 6); ask(); };
  const turnBy = (yaw, pitch) => {
    avatar.yaw += yaw;
    avatar.pitch = Math.min(Math.max(avatar.pitch + pitch, -1.4), 1.4);
    ask();
  };
  function listen() {
    const fingers = new Map();
    const spread = () => { const [a, b] = [...fingers.values()]; return Math.hypot(a.x - b.x, a.y - b.y); };
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
      setTurning(false);
    });
    canvas.addEventListener("pointermove", (event) => {
      const finger = fingers.get(event.pointerId);
      if (!finger) return;
      const before = fingers.size === 2 && spread();
      const x = event.clientX - finger.x, y = event.clientY - finger.y;
      fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
      if (before) zoomBy(spread() / before);
      else turnBy(-x * 0.008, y * 0.008);
    });
    for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, (event) => fingers.delete(event.pointerId));
    canvas.addEventListener("wheel", (event) => {
      // a page must scroll past the canvas, so the wheel zooms only once the canvas was clicked
      if (document.activeElement !== canvas && !event.ctrlKey) return;
      event.preventDefault();
      zoomBy(Math.exp(-event.deltaY * 0.0015));
    }, { passive: false });
    const keys = {
      ArrowLeft: () => turnBy(-0.12, 0), ArrowRight: () => turnBy(0.12, 0), ArrowUp: () => turnBy(0, 0.08), ArrowDown: () => turnBy(0, -0.08),
      "+": () => zoomBy(1.15), "=": () => zoomBy(1.15), "-": () => zoomBy(1 / 1.15), Home: () => find("front").click(), " ": () => find("play").click(),
    };
    canvas.addEventListener("keydown", (event) => {
      if (!keys[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      if (event.key.startsWith("Arrow")) setTurning(false);
      keys[event.key]();
    });
    canvas.addEventListener("webglcontextlost", () => say("lost", "The graphics card dropped the picture. Reload the page to see it again."));
    new IntersectionObserver(([entry]) => { visible = entry.isIntersecting; last = performance.now(); ask(); }).observe(canvas);
    new ResizeObserver(fit).observe(canvas);
  }
  function fit() {
    const scale = Math.min(devicePixelRatio || 1, 2);
    canvas.width = Math.max(1, Math.round(canvas.clientWidth * scale));
    canvas.height = Math.max(1, Math.round(canvas.clientHeight * scale));
    ask();
  }

  async function start() {
    const text = atob(find("glb").textContent.trim());
    avatar = new Avatar(canvas, Uint8Array.from(text, (letter) => letter.charCodeAt(0)));
    await avatar.load();
    buildPresets();
    buildSliders();
    buildSwitches();
    listen();
    fit();
    root.avatar = avatar; // for those who look in from the browser's console
  }

  start().catch((error) => {
    const noWebgl = error.message === "no-webgl";
    if (!noWebgl) console.error(error);
    say(noWebgl ? "no-webgl" : "error", noWebgl
      ? "This browser has no WebGL 2, so the head cannot be shown in 3D here. The pictures and downloads below are complete."
      : `The head could not be shown: ${error.message}`);
  });
}

document.querySelectorAll(".viewer").forEach(startViewer);
