"use strict";
const $ = (id) => document.getElementById(id);
const set = (id, text) => { if ($(id).textContent !== text) $(id).textContent = text; };
const PHASES = {
  ready: "ready", running: "at work", done: "done", failed: "not achieved", stopped: "stopped", refused: "not understood",
};
let ideas = "";

function show(s) {
  if (s.front) $("front").src = "data:image/jpeg;base64," + s.front;
  if (s.wrist) $("wrist").src = "data:image/jpeg;base64," + s.wrist;
  $("phase").className = "phase " + s.phase;
  set("phase", PHASES[s.phase] || s.phase);
  set("instruction", s.instruction || "\u00a0");
  set("who", s.who);
  set("object", s.object || "-");
  set("target", s.target || "-");
  set("distance", s.distance_cm === null ? "-" : s.distance_cm.toFixed(1) + " cm");
  set("time", s.seconds.toFixed(1) + " s of " + s.limit_s.toFixed(0) + " s");
  $("bar").style.width = Math.min(100, (100 * s.seconds) / s.limit_s) + "%";
  set("scene", s.scene);
  const counts = s.verdicts.reduce((all, k) => { all[k] += 1; return all; }, [0, 0, 0, 0]);
  set("guard", `passed ${counts[0]}, reduced ${counts[1]}, held ${counts[2] + counts[3]}`);
  set("reason", s.reason || "\u00a0");
  set("message", s.message || "\u00a0");
  ticks(s.verdicts);
  if (ideas !== s.ideas.join()) { ideas = s.ideas.join(); suggest(s.ideas); }
}

function ticks(verdicts) {
  const canvas = $("ticks"), style = getComputedStyle(document.documentElement);
  const scale = window.devicePixelRatio || 1;
  canvas.width = canvas.clientWidth * scale; canvas.height = 18 * scale;
  const draw = canvas.getContext("2d"), step = 3 * scale, room = Math.floor(canvas.width / step);
  const colors = ["--line", "--object", "--bad", "--bad"].map((name) => style.getPropertyValue(name));
  verdicts.slice(-room).forEach((kind, i) => {
    draw.fillStyle = colors[kind];
    const tall = kind ? canvas.height : canvas.height / 2;
    draw.fillRect(i * step, canvas.height - tall, 2 * scale, tall);
  });
}

function suggest(list) {
  $("ideas").replaceChildren(...list.map((words) => {
    const button = document.createElement("button");
    button.type = "button"; button.className = "plain"; button.textContent = words;
    button.onclick = () => { $("text").value = words; send("say", words); };
    return button;
  }));
}

async function send(what, text) {
  try {
    const answer = await fetch(what, {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ text: text || "" }),
    });
    set("message", answer.ok ? "\u00a0" : (await answer.json()).error);
  } catch { set("message", "premotor no longer answers; start it again in the terminal."); }
}

$("form").onsubmit = (event) => {
  event.preventDefault();
  const words = $("text").value.trim();
  if (words) send("say", words);
};
$("fresh").onclick = () => send("fresh");
$("stop").onclick = () => send("stop");

const events = new EventSource("events");
events.onmessage = (event) => {
  $("link").className = "link on"; set("link", "live");
  show(JSON.parse(event.data));
};
events.onerror = () => { $("link").className = "link off"; set("link", "not connected"); };
